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

static void refuse_then_load(glm_engine* engine, const char* checkpoint) {
  glm_load_options options;
  glm_load_options_init(&options);
  options.device = "cpu";
  expect(engine, glm_engine_load(engine, "/nonexistent", &options), GLM_MODEL, "no such folder");
  options.struct_size = 1000;
  expect(engine, glm_engine_load(engine, checkpoint, &options), GLM_USAGE, "struct_size");
  options.struct_size = sizeof options;
  options.dtype = NULL;
  expect(engine, glm_engine_load(engine, checkpoint, &options), GLM_USAGE, "dtype");
  options.dtype = "auto";
  expect(engine, glm_engine_load(engine, checkpoint, &options), GLM_OK, "");
  expect(engine, glm_engine_load(engine, checkpoint, &options), GLM_USAGE, "already");
}

/* Draws into `rgb`, which has to be large enough, and hears of it. */
static void draw(glm_engine* engine, const glm_request* request, glm_cancel* cancel, uint8_t* rgb, size_t bytes) {
  expect(engine, glm_engine_generate(engine, request, NULL, rgb, bytes - 1), GLM_USAGE, "rgb");
  expect(engine, glm_engine_generate(engine, request, NULL, NULL, bytes), GLM_USAGE, "NULL");
  expect(engine, glm_engine_generate(engine, NULL, NULL, rgb, bytes), GLM_USAGE, "NULL");
  if (glm_engine_generate(NULL, request, NULL, rgb, bytes) != GLM_USAGE) exit(4);
  glm_callbacks callbacks;
  glm_callbacks_init(&callbacks);
  callbacks.user = &g_tokens;
  callbacks.progress = on_progress;
  callbacks.picture = on_picture;
  callbacks.tap = on_tap;
  callbacks.cancel = cancel;
  expect(engine, glm_engine_generate(engine, request, &callbacks, rgb, bytes), GLM_OK, "");
  if (g_tokens < 20 || g_steps != 2 || g_pictures != 1 || g_taps != 1) exit(5);
}

static void draw_nothing(glm_engine* engine, glm_request request, glm_cancel* cancel, size_t bytes) {
  glm_callbacks callbacks;
  glm_callbacks_init(&callbacks);
  callbacks.cancel = cancel;
  glm_cancel_set(cancel);
  uint8_t* rgb = malloc(bytes);
  expect(engine, glm_engine_generate(engine, &request, &callbacks, rgb, bytes), GLM_CANCELLED, "cancelled");
  request.steps = 1001;
  expect(engine, glm_engine_generate(engine, &request, NULL, rgb, bytes), GLM_USAGE, "1 to 1000");
  free(rgb);
}

/* The parts give the same picture. */
static void draw_in_parts(glm_engine* engine, const glm_request* request, const glm_sizes* sizes, const uint8_t* rgb) {
  int64_t* tokens = malloc(sizes->tokens * sizeof *tokens);
  float* latents = malloc(sizes->latents * sizeof *latents);
  uint8_t* again = malloc(sizes->picture_bytes);
  expect(engine, glm_engine_tokens(engine, request, NULL, tokens, sizes->tokens), GLM_OK, "");
  expect(engine, glm_engine_latents(engine, request, NULL, tokens, sizes->tokens, latents, sizes->latents), GLM_OK, "");
  expect(engine, glm_engine_pixels(engine, request, NULL, latents, sizes->latents, again, sizes->picture_bytes), GLM_OK,
         "");
  if (memcmp(rgb, again, sizes->picture_bytes) != 0) exit(6);
  free(again);
  free(tokens);
  free(latents);
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
  expect(engine, glm_engine_sizes(engine, &request, &sizes), GLM_USAGE, "loaded a checkpoint");
  refuse_then_load(engine, argv[1]);
  expect(engine, glm_engine_sizes(engine, &request, &sizes), GLM_OK, "");
  if (sizes.picture_bytes != 3u * 130 * 128 || sizes.tokens != 5 * 4) return 3;

  uint8_t* rgb = malloc(sizes.picture_bytes);
  glm_cancel* cancel = glm_cancel_create();
  draw(engine, &request, cancel, rgb, sizes.picture_bytes);
  draw_in_parts(engine, &request, &sizes, rgb);
  draw_nothing(engine, request, cancel, sizes.picture_bytes);

  FILE* out = fopen(argv[2], "wb");
  fprintf(out, "P6\n130 128\n255\n");
  fwrite(rgb, 1, sizes.picture_bytes, out);
  fclose(out);
  glm_cancel_destroy(cancel);
  glm_engine_destroy(engine);
  free(rgb);
  return 0;
}
