/* A program of somebody else's in C: it draws a picture by the installed library and writes it as a PPM. */
#include <glm_image.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int g_tokens, g_steps, g_pictures, g_taps;

static void on_progress(void* user, glm_stage stage, int64_t done, int64_t total) {
  if (stage == GLM_STAGE_TOKENS && done == total) g_tokens = (int)total;
  if (stage == GLM_STAGE_STEPS && done == total) g_steps = (int)total;
  if (user != &g_tokens) abort();
}
static void on_picture(void* user, size_t index, uint64_t seed, const glm_picture* picture) {
  (void)user;
  if (index == 0 && seed == 7 && picture->width == 130 && picture->height == 128) ++g_pictures;
}
static void on_tap(void* user, const char* name, const char* dtype, const int64_t* shape, size_t rank, const void* data,
                   size_t bytes) {
  (void)user;
  if (strcmp(name, "image") == 0 && strcmp(dtype, "U8") == 0 && rank == 4 && shape[3] == 3 && data && bytes) ++g_taps;
}

/* The status has to be `status`, and a failure has to say `words`. */
static void expect(const glm_engine* engine, glm_status found, glm_status status, const char* words) {
  char text[512] = "";
  glm_engine_last_error(engine, text, sizeof text);
  if (found == status && (status == GLM_OK || strstr(text, words) != NULL)) return;
  fprintf(stderr, "expected %d \"%s\", found %d \"%s\"\n", status, words, found, text);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  glm_engine* engine = glm_engine_create();
  glm_request request;
  glm_request_init(&request);
  const uint64_t seed = 7;
  request.prompt = "a sign that says \"A\"";
  request.width = 130;
  request.height = 128;
  request.steps = 2;
  request.seeds = &seed;
  request.seed_count = 1;
  glm_sizes sizes;
  glm_sizes_init(&sizes);
  glm_load_options options;
  glm_load_options_init(&options);
  options.device = "cpu";
  expect(engine, glm_engine_sizes(engine, &request, &sizes), GLM_USAGE, "loaded a checkpoint");
  expect(engine, glm_engine_load(engine, "/nonexistent", &options), GLM_MODEL, "no such folder");
  options.struct_size = 1000;
  expect(engine, glm_engine_load(engine, argv[1], &options), GLM_USAGE, "struct_size");
  options.struct_size = sizeof options;
  options.dtype = NULL;
  expect(engine, glm_engine_load(engine, argv[1], &options), GLM_USAGE, "dtype");
  options.dtype = "auto";
  expect(engine, glm_engine_load(engine, argv[1], &options), GLM_OK, "");
  expect(engine, glm_engine_load(engine, argv[1], &options), GLM_USAGE, "already");
  expect(engine, glm_engine_sizes(engine, &request, &sizes), GLM_OK, "");
  if (sizes.picture_bytes != 3u * 130 * 128 || sizes.tokens != 5 * 4) return 3;
  uint8_t* rgb = malloc(sizes.picture_bytes);
  expect(engine, glm_engine_generate(engine, &request, NULL, rgb, sizes.picture_bytes - 1), GLM_USAGE, "rgb");
  expect(engine, glm_engine_generate(engine, &request, NULL, NULL, sizes.picture_bytes), GLM_USAGE, "NULL");
  expect(engine, glm_engine_generate(engine, NULL, NULL, rgb, sizes.picture_bytes), GLM_USAGE, "NULL");
  if (glm_engine_generate(NULL, &request, NULL, rgb, sizes.picture_bytes) != GLM_USAGE) return 4;

  glm_callbacks callbacks;
  glm_callbacks_init(&callbacks);
  callbacks.user = &g_tokens;
  callbacks.progress = on_progress;
  callbacks.picture = on_picture;
  callbacks.tap = on_tap;
  glm_cancel* cancel = glm_cancel_create();
  callbacks.cancel = cancel;
  expect(engine, glm_engine_generate(engine, &request, &callbacks, rgb, sizes.picture_bytes), GLM_OK, "");
  if (g_tokens < 20 || g_steps != 2 || g_pictures != 1 || g_taps != 1) return 5;

  /* The parts give the same picture. */
  int64_t* tokens = malloc(sizes.tokens * sizeof *tokens);
  float* latents = malloc(sizes.latents * sizeof *latents);
  uint8_t* again = malloc(sizes.picture_bytes);
  expect(engine, glm_engine_tokens(engine, &request, NULL, tokens, sizes.tokens), GLM_OK, "");
  expect(engine, glm_engine_latents(engine, &request, NULL, tokens, sizes.tokens, latents, sizes.latents), GLM_OK, "");
  expect(engine, glm_engine_pixels(engine, &request, NULL, latents, sizes.latents, again, sizes.picture_bytes), GLM_OK,
         "");
  if (memcmp(rgb, again, sizes.picture_bytes) != 0) return 6;

  glm_cancel_set(cancel);
  expect(engine, glm_engine_generate(engine, &request, &callbacks, again, sizes.picture_bytes), GLM_CANCELLED,
         "cancelled");
  request.steps = 1001;
  expect(engine, glm_engine_generate(engine, &request, NULL, again, sizes.picture_bytes), GLM_USAGE, "1 to 1000");

  FILE* out = fopen(argv[2], "wb");
  fprintf(out, "P6\n130 128\n255\n");
  fwrite(rgb, 1, sizes.picture_bytes, out);
  fclose(out);
  glm_cancel_destroy(cancel);
  glm_engine_destroy(engine);
  free(rgb);
  free(again);
  free(tokens);
  free(latents);
  return 0;
}
