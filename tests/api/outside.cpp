// A program of somebody else's in C++: no LibTorch header is on its way to a picture.
#include <glm/encode.h>
#include <glm/pipeline.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const glm::Pipeline pipeline(argv[1], {.device = "cpu"});
    glm::Request request;
    request.prompt = "a red apple";
    request.width = request.height = 128;
    request.steps = 2;
    glm::Callbacks callbacks;
    callbacks.progress = [](glm::Stage stage, int64_t done, int64_t total) {
      std::cout << glm::stage_name(stage) << " " << done << "/" << total << "\n";
    };
    const glm::Result result = pipeline.generate(request, callbacks);
    glm::write_png(argv[2], result.pictures[0].image);
    request.steps = 0;
    pipeline.generate(request, {});
  } catch (const glm::Error& e) {
    std::cout << "refused: " << e.what() << "\n";
    return e.code() == glm::ErrorCode::usage ? 0 : 1;
  }
  return 1;
}
