// The function of LibTorch's OpenMP library that compilers call for a parallel region. Our compiler isn't told to use
// OpenMP, so we call it ourselves.
#pragma once

// Calls call(data) on each thread of a team, and returns when all calls have. threads: how many, or 0 for as many as
// at::set_num_threads() said. When the number changes from region to region, the library ends and starts threads.
extern "C" void gomp_parallel(void (*call)(void*), void* data, unsigned threads,
                              unsigned flags) __asm__("GOMP_parallel");
