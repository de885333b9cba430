/* GLM-Image for programs in C, and for languages that call C.
 *
 *   glm_engine* engine = glm_engine_create();
 *   if (glm_engine_load(engine, "models/nano", NULL) != GLM_OK) { … glm_engine_last_error(engine, text, sizeof text); }
 *   glm_request request;
 *   glm_request_init(&request);
 *   request.prompt = "a red apple";
 *   glm_sizes sizes;
 *   glm_sizes_init(&sizes);
 *   glm_engine_sizes(engine, &request, &sizes);
 *   uint8_t* rgb = malloc(sizes.picture_bytes);
 *   glm_engine_generate(engine, &request, NULL, rgb, sizes.picture_bytes);
 *   glm_engine_destroy(engine);
 *
 * Nothing is printed, nothing ends the process, no exception comes out: every failure is a status, with a text in the
 * handle. All memory that crosses this border is the caller's. An engine's functions may be called from any thread;
 * calls run one after the other on a thread of the engine's own. No call may overlap glm_engine_destroy, with one
 * exception: a callback may destroy the engine of its own call, which then goes on to its end.
 *
 * Structures begin with their size, as the caller knows it; the _init functions fill it in with the defaults. A library
 * that is newer than the caller takes the defaults for what the caller doesn't have, an older one refuses.
 */
#ifndef GLM_IMAGE_H
#define GLM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLM_IMAGE_API __attribute__((visibility("default")))

typedef enum glm_status {
  GLM_OK = 0,
  GLM_INTERNAL = 1,
  GLM_USAGE = 2,  /* what was asked for can't be done */
  GLM_MODEL = 3,  /* the checkpoint is missing or broken */
  GLM_MEMORY = 4, /* of the computer or the GPU */
  GLM_DEVICE = 5, /* no such GPU, or one that can't be used */
  GLM_IO = 6,     /* a file can't be read or written */
  GLM_CANCELLED = 7
} glm_status;

typedef enum glm_stage {
  GLM_STAGE_REFERENCES = 0,
  GLM_STAGE_TOKENS = 1,
  GLM_STAGE_GLYPHS = 2,
  GLM_STAGE_STEPS = 3,
  GLM_STAGE_PIXELS = 4
} glm_stage;

typedef enum glm_rng { GLM_RNG_CUDA = 0, GLM_RNG_CPU = 1 } glm_rng;

typedef struct glm_engine glm_engine;
typedef struct glm_cancel glm_cancel;

/* Ends the calls that it is given to: within a token or a step, and at once those that wait for their turn. */
GLM_IMAGE_API glm_cancel* glm_cancel_create(void);     /* NULL: no memory */
GLM_IMAGE_API void glm_cancel_set(glm_cancel* cancel); /* from any thread, or a signal's handler */
GLM_IMAGE_API void glm_cancel_destroy(glm_cancel* cancel);

typedef struct glm_load_options {
  size_t struct_size;
  const char* dtype;           /* "auto", "float32", "bfloat16" */
  const char* device;          /* "auto", "cpu", "cuda", "cuda:N" */
  const char* prior_precision; /* of the prior's weights on a GPU: "bf16", "fp8", "int8", "int4" */
  const char* kernels;         /* our CUDA kernels: "auto", "off", "force" */
  int32_t threads;             /* 0: as many as the machine has */
  int64_t reference_bytes;     /* to keep the last references' results in; -1: a tenth of the device's memory */
  const glm_cancel* cancel;    /* or NULL */
  /* 1: on a CPU weights stay in the checkpoint's files, which are mapped; until the engine has gone nobody may write to
   * them or shorten them, or SIGBUS may end the process. 0: they are read. */
  int32_t map_weights;
} glm_load_options;
GLM_IMAGE_API void glm_load_options_init(glm_load_options* options);

/* rgb: 3 bytes a pixel, rows from the top, nothing between them. */
typedef struct glm_picture {
  const uint8_t* rgb;
  int64_t width;
  int64_t height;
} glm_picture;

typedef struct glm_request {
  size_t struct_size;
  const char* prompt;       /* UTF-8; text to be drawn stands in quotes */
  const char* const* texts; /* or is named here instead */
  size_t text_count;
  const glm_picture* references; /* up to 8 pictures to start from */
  size_t reference_count;
  int64_t width; /* 128 to 2048; 0: the checkpoint's, or as the first reference */
  int64_t height;
  int64_t steps;   /* 0: the checkpoint's */
  double guidance; /* -1: the checkpoint's, as the three below */
  double temperature;
  double top_p;
  int64_t top_k;
  const uint64_t* seeds; /* a picture for each; NULL: one of seed 0 */
  size_t seed_count;
  int32_t rng;    /* a glm_rng */
  int32_t greedy; /* 0 or 1, as the two below */
  int32_t parse_special;
  int32_t allow_early_stop;
} glm_request;
GLM_IMAGE_API void glm_request_init(glm_request* request);

/* All on the engine's thread; none may call the engine. Those that are NULL aren't called. */
typedef struct glm_callbacks {
  size_t struct_size;
  void* user; /* handed to each */
  void (*progress)(void* user, glm_stage stage, int64_t done, int64_t total);
  /* Each as soon as it stands in the caller's buffer. */
  void (*picture)(void* user, size_t index, uint64_t seed, const glm_picture* picture);
  void (*preview)(void* user, uint64_t seed, int64_t step, const glm_picture* picture);
  int64_t preview_every; /* steps */
  /* A stage's tensor; dtype as safetensors name it: "F32", "BF16", "I64", "U8". */
  void (*tap)(void* user, const char* name, const char* dtype, const int64_t* shape, size_t rank, const void* data,
              size_t bytes);
  int32_t full_taps;        /* 1: what stands inside the stages too */
  const glm_cancel* cancel; /* or NULL */
} glm_callbacks;
GLM_IMAGE_API void glm_callbacks_init(glm_callbacks* callbacks);

/* What a request comes to: of one picture. */
typedef struct glm_sizes {
  size_t struct_size;
  int64_t width;
  int64_t height;
  size_t picture_bytes; /* 3 * width * height */
  int64_t grid_width;   /* of the tokens */
  int64_t grid_height;
  size_t tokens; /* grid_width * grid_height */
  int64_t latent_channels;
  int64_t latent_width;
  int64_t latent_height;
  size_t latents; /* latent_channels * latent_height * latent_width */
} glm_sizes;
GLM_IMAGE_API void glm_sizes_init(glm_sizes* sizes);

GLM_IMAGE_API const char* glm_image_version(void);

/* Names that prior_precision takes, the default first; NULL from the table's end on. */
GLM_IMAGE_API const char* glm_weight_format_name(size_t index);

GLM_IMAGE_API glm_engine* glm_engine_create(void); /* NULL: no memory */
GLM_IMAGE_API void glm_engine_destroy(glm_engine* engine);

/* Loads a checkpoint's folder; once for an engine. options: NULL for the defaults. */
GLM_IMAGE_API glm_status glm_engine_load(glm_engine* engine, const char* checkpoint, const glm_load_options* options);

/* What the engine's last failed call had to say, of any thread: cut to `size` bytes with the 0 at the end. Returns the
 * length of the whole, without the 0. */
GLM_IMAGE_API size_t glm_engine_last_error(const glm_engine* engine, char* text, size_t size);

GLM_IMAGE_API glm_status glm_engine_sizes(glm_engine* engine, const glm_request* request, glm_sizes* sizes);

/* All the way: picture_bytes for each seed, one picture after the other. size: of the buffer, at least that many.
 * callbacks: NULL for none. */
GLM_IMAGE_API glm_status glm_engine_generate(glm_engine* engine, const glm_request* request,
                                             const glm_callbacks* callbacks, uint8_t* rgb, size_t size);

/* The way in three parts. Counts are of elements, at least tokens or latents for each seed. */
GLM_IMAGE_API glm_status glm_engine_tokens(glm_engine* engine, const glm_request* request,
                                           const glm_callbacks* callbacks, int64_t* tokens, size_t count);
GLM_IMAGE_API glm_status glm_engine_latents(glm_engine* engine, const glm_request* request,
                                            const glm_callbacks* callbacks, const int64_t* tokens, size_t token_count,
                                            float* latents, size_t count);
GLM_IMAGE_API glm_status glm_engine_pixels(glm_engine* engine, const glm_request* request,
                                           const glm_callbacks* callbacks, const float* latents, size_t latent_count,
                                           uint8_t* rgb, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* GLM_IMAGE_H */
