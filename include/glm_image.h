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
 * The library prints nothing, doesn't end the process, and no exception comes out of it. Every failure is a status, and
 * the engine holds a text about it (glm_engine_last_error). The caller owns all memory that is handed over. An engine's
 * functions may be called from any thread; calls run one after the other on a thread of the engine's own. No call may
 * overlap glm_engine_destroy, with one exception: a callback may destroy the engine of its own call, which then goes on
 * to its end.
 *
 * An engine belongs to the process that created it: in a child that this process forks, each call returns GLM_USAGE,
 * and glm_engine_destroy does nothing. A child may create engines of its own. When the process exits or main()
 * returns, calls under way are cancelled, and the process's end waits for their next token or step.
 *
 * Each structure begins with its size as the caller knows it. Its _init function fills in this size and the defaults. A
 * library that is newer than the caller uses the defaults for fields that the caller doesn't know; an older one refuses
 * the structure with GLM_USAGE.
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
  GLM_MEMORY = 4, /* the computer or the GPU has too little */
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

/* A token that ends the calls it is given to with GLM_CANCELLED. A call under way ends after its next token or step. A
 * call that waits for its turn ends at once. A token stays set. It has to outlive these calls. */
GLM_IMAGE_API glm_cancel* glm_cancel_create(void);     /* NULL: no memory */
GLM_IMAGE_API void glm_cancel_set(glm_cancel* cancel); /* from any thread, or a signal's handler */
GLM_IMAGE_API void glm_cancel_destroy(glm_cancel* cancel);

typedef struct glm_load_options {
  size_t struct_size;
  const char* dtype;  /* "auto", "float32", "bfloat16" */
  const char* device; /* "auto", "cpu", "cuda", "cuda:N" */
  /* What is made of a checkpoint in bf16, for each component: "prior=int4,dit=int8". The prior may be bf16 (as the
   * checkpoint has it), fp8 (on a GPU), int8 or int4, and the diffusion transformer "dit" bf16, int8 or int4. "": all
   * bf16. */
  const char* precision;
  const char* kernels; /* our CUDA kernels: "auto", "off", "force" */
  /* CPU threads, 0 to 1024; 0: as many as the process may use. Where the system gives fewer, glm_engine_warnings says
   * so. */
  int32_t threads;
  /* The most bytes that the latest references' results may take, which are stored for the next call; -1: a tenth of the
   * device's memory. */
  int64_t reference_bytes;
  const glm_cancel* cancel; /* or NULL */
  /* 1: on a CPU the checkpoint's files are mapped, and weights stay in them. As long as the engine lives nobody may
   * write to these files or shorten them. What was done to them is seen at a call's begin and after each token and step
   * (GLM_MODEL); in between, a file that is cut short ends the process by SIGBUS. 0: they are read. */
  int32_t map_weights;
  /* How many image tokens of a picture are computed at once: "auto" (what turns out to be fastest), "off", or "1" to
   * "16". No token changes. */
  const char* look_ahead;
} glm_load_options;
GLM_IMAGE_API void glm_load_options_init(glm_load_options* options);

/* sRGB, 3 bytes a pixel; rows from the top, without a gap between them. */
typedef struct glm_picture {
  const uint8_t* rgb;
  int64_t width;
  int64_t height;
} glm_picture;

typedef struct glm_request {
  size_t struct_size;
  const char* prompt;       /* UTF-8; text to be drawn stands in quotes */
  const char* const* texts; /* text to be drawn, instead of what stands in quotes; none is empty */
  size_t text_count;
  const glm_picture* references; /* up to 8 pictures to start from */
  size_t reference_count;
  int64_t width; /* pixels, 128 to 2048; both 0: the checkpoint's size, or its area in the first reference's aspect */
  int64_t height;
  int64_t steps;   /* 1 to 1000; 0: the checkpoint's */
  double guidance; /* -1: the checkpoint's, here and in the three fields below */
  double temperature;
  double top_p;
  int64_t top_k;
  const uint64_t* seeds; /* up to 1024, a picture for each; NULL: one picture of seed 0 */
  size_t seed_count;
  int32_t rng;              /* a glm_rng */
  int32_t greedy;           /* 1: takes the likeliest image token instead of drawing one */
  int32_t parse_special;    /* 1: reads text such as "<sop>" as a special token */
  int32_t allow_early_stop; /* 1: lets the prior end too early; a short grid is GLM_MODEL */
} glm_request;
GLM_IMAGE_API void glm_request_init(glm_request* request);

/* The engine's thread calls them. They may be NULL. None may call glm_engine_generate or one of its parts on the same
 * engine (GLM_USAGE). Pictures and data are valid until the callback returns. */
typedef struct glm_callbacks {
  size_t struct_size;
  void* user; /* handed to each */
  /* Called when a stage begins, and after each reference, pass of tokens, step and picture. done and total count the
   * references, tokens, steps or pictures of all pictures. */
  void (*progress)(void* user, glm_stage stage, int64_t done, int64_t total);
  /* Called for each picture when it stands in the caller's buffer. index: the place of its seed in the request. */
  void (*picture)(void* user, size_t index, uint64_t seed, const glm_picture* picture);
  /* A small picture after `step` steps, one pixel for each latent. */
  void (*preview)(void* user, uint64_t seed, int64_t step, const glm_picture* picture);
  int64_t preview_every; /* steps from one preview to the next */
  /* Called for each tensor of a stage. dtype: as safetensors name it, such as "F32", "BF16", "I64", "U8". */
  void (*tap)(void* user, const char* name, const char* dtype, const int64_t* shape, size_t rank, const void* data,
              size_t bytes);
  int32_t full_taps;        /* 1: tap gets the tensors inside the stages, too */
  const glm_cancel* cancel; /* or NULL */
} glm_callbacks;
GLM_IMAGE_API void glm_callbacks_init(glm_callbacks* callbacks);

/* The sizes of one of a request's pictures, in pixels, tokens and latents. */
typedef struct glm_sizes {
  size_t struct_size;
  int64_t width;
  int64_t height;
  size_t picture_bytes; /* 3 * width * height */
  int64_t grid_width;   /* tokens */
  int64_t grid_height;
  size_t tokens; /* grid_width * grid_height */
  int64_t latent_channels;
  int64_t latent_width;
  int64_t latent_height;
  size_t latents; /* latent_channels * latent_height * latent_width */
} glm_sizes;
GLM_IMAGE_API void glm_sizes_init(glm_sizes* sizes);

GLM_IMAGE_API const char* glm_image_version(void);

/* Returns what `precision` may say of one component, such as "prior=int4"; past the last choice it is NULL. */
GLM_IMAGE_API const char* glm_precision_choice(size_t index);

GLM_IMAGE_API glm_engine* glm_engine_create(void); /* NULL: no memory */
GLM_IMAGE_API void glm_engine_destroy(glm_engine* engine);

/* Loads a checkpoint's folder. An engine loads only one (GLM_USAGE for the next). options: NULL for the defaults. */
GLM_IMAGE_API glm_status glm_engine_load(glm_engine* engine, const char* checkpoint, const glm_load_options* options);

/* Writes the message of the engine's last failed call, on whichever thread that was, to `text`. The message is cut to
 * `size` bytes with the 0 at the end. Returns the length of the whole message, without the 0. */
GLM_IMAGE_API size_t glm_engine_last_error(const glm_engine* engine, char* text, size_t size);

/* Does the same with what loading warned of, a line each: about the checkpoint and the device. */
GLM_IMAGE_API size_t glm_engine_warnings(const glm_engine* engine, char* text, size_t size);

/* Fills in the sizes, which glm_sizes_init has begun. GLM_USAGE: the request can't be met. Waits for no other call. */
GLM_IMAGE_API glm_status glm_engine_sizes(glm_engine* engine, const glm_request* request, glm_sizes* sizes);

/* Draws a picture for each seed and writes them to `rgb` one after the other, picture_bytes each. size: bytes of `rgb`,
 * at least those of all pictures. callbacks: NULL for none. GLM_USAGE: the request can't be met, or `rgb` is too small.
 * After GLM_CANCELLED the pictures that were finished are in `rgb`. */
GLM_IMAGE_API glm_status glm_engine_generate(glm_engine* engine, const glm_request* request,
                                             const glm_callbacks* callbacks, uint8_t* rgb, size_t size);

/* The three parts of glm_engine_generate: each hands its result to the next. Counts are of elements: at least `tokens`
 * or `latents` of glm_sizes for each seed. Tokens are [grid_height][grid_width], latents [channels][height][width]. */
GLM_IMAGE_API glm_status glm_engine_tokens(glm_engine* engine, const glm_request* request,
                                           const glm_callbacks* callbacks, int64_t* tokens, size_t count);
GLM_IMAGE_API glm_status glm_engine_latents(glm_engine* engine, const glm_request* request,
                                            const glm_callbacks* callbacks, const int64_t* tokens, size_t token_count,
                                            float* latents, size_t count);
GLM_IMAGE_API glm_status glm_engine_pixels(glm_engine* engine, const glm_request* request,
                                           const glm_callbacks* callbacks, const float* latents, size_t latent_count,
                                           uint8_t* rgb, size_t size);

/* The task interface: an array of tasks in JSON comes in, an answer in JSON goes out (README.md, "Tasks"). Tasks and
 * pictures are kept in the media store, where later calls and other programs find them. It keeps the engine's
 * checkpoint, and the engine keeps the message of a call that failed. Calls may come from any thread. */
typedef struct glm_tasks glm_tasks;

typedef struct glm_task_options {
  size_t struct_size;
  const char* folder; /* where pictures are written, too, whose outputType is URL; it is made when missing; or NULL */
  const char* model;  /* a name that the field `model` takes beside the contract's own; or NULL */
  double token_price; /* what `cost` counts for each token of a picture */
  double step_price;  /* and for each million pixels of each step */
  const char* media;  /* the media store's folder, made when missing; NULL: glm-image/media in the user's data folder */
  const char* const* allowed_hosts; /* HOST or HOST:PORT, which tasks may reach; without any they reach none */
  size_t allowed_host_count;
  const char* safety_model; /* the model that checks pictures; or NULL */
} glm_task_options;
GLM_IMAGE_API void glm_task_options_init(glm_task_options* options); /* NULL and 0 */

/* Texts are UTF-8, end with a 0 that `length` doesn't count, and are valid until the callback returns. */
typedef struct glm_task_callbacks {
  size_t struct_size;
  void* user; /* handed to each */
  /* Called once, at the end: {"data":[…]}, {"errors":[…]} or both. failed: tasks with an error. It has to be there. */
  void (*answer)(void* user, const char* json, size_t length, int64_t failed);
  /* Gets {"data":[item]} or {"errors":[error]} as soon as the item or the error is known; may be NULL. */
  void (*result)(void* user, const char* line, size_t length);
  void (*progress)(void* user, glm_stage stage, int64_t done, int64_t total); /* of the pictures being drawn; or NULL */
  const glm_cancel* cancel;                                                   /* or NULL */
} glm_task_callbacks;
GLM_IMAGE_API void glm_task_callbacks_init(glm_task_callbacks* callbacks);

/* NULL: the engine has no checkpoint, or an option is wrong (glm_engine_last_error), or no memory. */
GLM_IMAGE_API glm_tasks* glm_tasks_create(glm_engine* engine, const glm_task_options* options);
GLM_IMAGE_API void glm_tasks_destroy(glm_tasks* tasks);

/* Answers the tasks in `json`, which has `length` bytes. GLM_OK also when tasks failed: the answer says so.
 * GLM_CANCELLED: the answer has what was finished. After another status there is no answer. */
GLM_IMAGE_API glm_status glm_tasks_run(glm_tasks* tasks, const char* json, size_t length,
                                       const glm_task_callbacks* callbacks);

#ifdef __cplusplus
}
#endif

#endif /* GLM_IMAGE_H */
