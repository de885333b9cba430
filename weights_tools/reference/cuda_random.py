#!/usr/bin/env python
"""Torch's CUDA random numbers on the CPU, as a card of 132 multiprocessors lays them out, and upstream run with them.

    python cuda_random.py --selftest

CudaStream is written from torch's and cuRAND's sources (calc_execution_policy and
distribution_elementwise_grid_stride_kernel in ATen/native/cuda/DistributionTemplates.h, TransformationHelper.h,
curand_kernel.h, curand_normal.h, curand_uniform.h) in numpy, apart from the engine's C++. Random words and the fp32 numbers
made of them are the card's; logarithm, sine and cosine are taken in float64 and rounded, where a card has approximations.
"""
import argparse
import contextlib
from unittest import mock

import numpy as np
import torch

BLOCK = 256
BLOCKS_AT_ONCE = 132 * 2048 // BLOCK
LOW = np.uint64(0xffffffff)
HALF = np.uint64(32)


def philox4x32(counter, key):
    """Ten rounds. counter: four arrays of 32-bit words held in uint64; key: two words."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        even, odd = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (odd >> HALF) ^ b ^ np.uint64(low), odd & LOW, (even >> HALF) ^ d ^ np.uint64(high), even & LOW
        low, high = (low + 0x9E3779B9) % 2**32, (high + 0xBB67AE85) % 2**32
    return a, b, c, d


def uniform(word):
    """curand_uniform4: fp32 in (0, 1]."""
    return word.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)


def angle(word):
    """The second uniform of a Box-Muller pair, in (0, 2 pi]; nvcc fuses product and sum, 64 bits of mantissa hold them."""
    factor = np.float32(2**-32) * np.float32(6.2831855)
    fused = word.astype(np.float32).astype(np.longdouble) * np.longdouble(factor) + np.longdouble(factor / np.float32(2))
    return fused.astype(np.float32)


class CudaStream:
    """One CUDA generator: its seed, and the offset that every call moves on."""

    def __init__(self, seed):
        self.seed, self.offset = seed % 2**64, 0

    def draw(self, shape):
        """Returns the words [4, elements] and the lane of each element, and advances."""
        count = int(np.prod(shape))
        element = np.arange(count, dtype=np.uint64)
        threads = BLOCK * min(-(-count // BLOCK), BLOCKS_AT_ONCE)
        thread, piece = element % np.uint64(threads), element // np.uint64(threads)
        block = np.uint64(self.offset // 4) + piece // np.uint64(4)
        counter = (block & LOW, block >> HALF, thread, np.zeros_like(thread))
        self.offset += 4 * ((count - 1) // (threads * 4) + 1)
        words = np.stack(philox4x32(counter, (self.seed % 2**32, self.seed >> 32)))
        return words, (piece % np.uint64(4)).astype(np.int64)

    def normal(self, shape, dtype=torch.float32):
        assert dtype in (torch.float32, torch.bfloat16, torch.float16), dtype
        words, lane = self.draw(shape)
        pair, element = lane // 2 * 2, np.arange(lane.size)
        radius = np.sqrt(-2 * np.log(uniform(words[pair, element]).astype(np.float64)))
        turn = angle(words[pair + 1, element]).astype(np.float64)
        value = radius * np.where(lane % 2 == 0, np.sin(turn), np.cos(turn))
        return torch.from_numpy(value.astype(np.float32) + np.float32(0)).reshape(tuple(shape)).to(dtype)

    def exponential(self, shape):
        words, lane = self.draw(shape)
        u = uniform(words[lane, np.arange(lane.size)])
        half_epsilon = np.float32(2**-24)
        value = np.where(u >= 1 - half_epsilon, half_epsilon, -np.log(u.astype(np.float64)).astype(np.float32))
        return torch.from_numpy(value).reshape(tuple(shape))


@contextlib.contextmanager
def cuda_random():
    """Inside, torch.randn, Tensor.exponential_ and torch.multinomial (of one draw) on the CPU draw as on a card. Every
    torch.Generator has a stream of its own, from its initial seed; the default one starts anew at torch.manual_seed().
    That is upstream's whole use of random numbers: the pipeline calls torch.manual_seed(generator.initial_seed()), then
    generate() draws with torch.multinomial; the latents are torch.randn(..., generator=generator)."""
    streams = {}      # of a generator and its seed; the generator is kept, so that its id stays its own
    plain_seed = torch.manual_seed

    def stream_of(generator):
        generator = torch.default_generator if generator is None else generator
        key = id(generator), generator.initial_seed()
        return streams.setdefault(key, (generator, CudaStream(key[1])))[1]

    def manual_seed(seed):
        generator = plain_seed(seed)
        streams.pop((id(generator), generator.initial_seed()), None)
        return generator

    def randn(*size, generator=None, dtype=None, device=None, layout=torch.strided):
        assert torch.device(device or "cpu").type == "cpu" and layout == torch.strided
        shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        return stream_of(generator).normal(shape, dtype or torch.get_default_dtype())

    def exponential_(self, lambd=1, *, generator=None):
        assert lambd == 1 and self.dtype == torch.float32
        return self.copy_(stream_of(generator).exponential(self.shape))

    def multinomial(p, num_samples, replacement=False, *, generator=None):
        assert num_samples == 1
        return (p / torch.empty_like(p).exponential_(generator=generator)).argmax(dim=-1, keepdim=True)

    with mock.patch.object(torch, "manual_seed", manual_seed), mock.patch.object(torch, "randn", randn), \
            mock.patch.object(torch.Tensor, "exponential_", exponential_), \
            mock.patch.object(torch, "multinomial", multinomial):
        yield


# ---------------------------------------------------------------------- self test

# What torch prints on a card for torch.manual_seed(0), then torch.randn(24) or torch.rand(8) (a uniform of 1 becomes 0).
CARD_RANDN = [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284, -1.0745, -0.3631, -1.6711, 2.2655,
              0.3117, -0.1842, 1.2866, 1.1820, -0.1271, 1.2169, 1.4353, 1.0605, -0.4941, -1.4244, -0.7244, -1.2973]
CARD_RAND = [0.3990, 0.5167, 0.0249, 0.9401, 0.9459, 0.7967, 0.4150, 0.8203]


def test_words():
    """Random123's vectors."""
    for counter, key, words in [
            ((0,) * 4, (0, 0), (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)),
            ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd)),
            ((0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), (0xa4093822, 0x299f31d0),
             (0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1))]:
        assert tuple(int(w[0]) for w in philox4x32([np.array([c], np.uint64) for c in counter], key)) == words


def test_transforms():
    largest = np.array([2**32 - 1], np.uint64)
    assert uniform(largest)[0] == 1 and uniform(largest * 0)[0] == np.float32(2**-33)
    assert angle(largest)[0] == np.float32(2 * np.pi)
    assert np.allclose(CudaStream(0).normal([24]), CARD_RANDN, atol=6e-5)
    words, lane = CudaStream(0).draw([8])
    assert (lane == 0).all() and np.allclose(uniform(words[0]), CARD_RAND, atol=6e-5)


def test_layout():
    threads, stream = BLOCK * BLOCKS_AT_ONCE, CudaStream(9)
    big, small = stream.normal([threads * 4 + 3]), CudaStream(9).normal([threads])
    assert stream.offset == 8 and torch.equal(big[:threads], small)
    fresh = CudaStream(9)
    fresh.offset = 4
    assert torch.equal(big[threads * 4:], fresh.normal([3]))
    assert abs(big.mean()) < 0.005 and abs(big.std() - 1) < 0.005
    assert not torch.equal(CudaStream(7).normal([16]), CudaStream(2**32 + 7).normal([16]))


def test_patch():
    from diffusers.utils.torch_utils import randn_tensor
    plain = torch.randn, torch.multinomial, torch.manual_seed, torch.Tensor.exponential_
    p = torch.softmax(torch.randn(2, 300), dim=-1)
    with cuda_random():
        passed = torch.Generator().manual_seed(5)
        torch.manual_seed(passed.initial_seed())
        drawn, stream = [torch.multinomial(p, num_samples=1) for _ in range(3)], CudaStream(5)
        for tokens in drawn:
            assert torch.equal(tokens, (p / stream.exponential([2, 300])).argmax(-1, keepdim=True))
        latents = randn_tensor((1, 2, 4, 4), generator=passed, device=torch.device("cpu"), dtype=torch.bfloat16)
        assert torch.equal(latents, CudaStream(5).normal([1, 2, 4, 4], torch.bfloat16))
        torch.manual_seed(5)
        assert torch.equal(torch.multinomial(p, num_samples=1), drawn[0])
    assert plain == (torch.randn, torch.multinomial, torch.manual_seed, torch.Tensor.exponential_)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selftest", action="store_true", required=True)
    parser.parse_args()
    for test in (test_words, test_transforms, test_layout, test_patch):
        test()
        print(f"{test.__name__}: good")


if __name__ == "__main__":
    main()
