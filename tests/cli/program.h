// Runs the built program as a user does.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"
#include "tests/support/temporary_folder.h"

namespace glm {

using Arguments = std::vector<std::string>;

struct Outcome {
  int status = -1;  // the exit status, or 128 + the signal that ended it
  std::string out;
  std::string err;
};

struct Surroundings {
  std::string input = {};                               // of standard input
  std::filesystem::path folder = {};                    // to run in
  std::filesystem::path output = {};                    // where standard output goes instead
  bool nobody_reads = false;                            // standard output and error are pipes without a reader
  int64_t memory = 0;                                   // limit of the address space in bytes
  std::map<std::string, std::string> environment = {};  // names that are added; those of the tester's own are gone
  int64_t file_size = 0;                                // limit of a file in bytes, as a full disk
  std::filesystem::path program = GLM_BINARY_DIR "/glm-image";
};

// Standard output and error are files: no terminal.
Outcome run_program(const Arguments& arguments, const Surroundings& around = {});

// The program on a terminal of its own, which is its standard input, output and error.
class Terminal {
 public:
  struct Kind {
    unsigned short columns = 80;
    std::string term = "xterm";
    bool ignores_interrupts = false;                      // as nohup and a script's background jobs do
    std::map<std::string, std::string> environment = {};  // names that are added
    std::filesystem::path program = GLM_BINARY_DIR "/glm-image";
  };
  static bool available();  // does this machine have pseudo terminals? A bare chroot hasn't
  explicit Terminal(const Arguments& arguments) : Terminal(arguments, Kind()) {}
  Terminal(const Arguments& arguments, const Kind& kind);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool wait_for(const std::string& text);  // false: the program ended without it
  void send(int signal) const;
  void type(const std::string& text) const;
  int finish();                               // reads to the end; 128 + signal when a signal ended it
  int ended_by() const { return ended_by_; }  // the signal that ended it, or 0
  const std::string& seen() const { return seen_; }

 private:
  bool read_some();

  pid_t process_ = -1;
  int terminal_ = -1;
  int ended_by_ = 0;
  std::string seen_;
};

std::string read_file(const std::filesystem::path& file);
std::vector<std::string> names_in(const std::filesystem::path& folder);  // sorted

// The small checkpoint of the tests, on which a picture takes half a second.
std::filesystem::path small_checkpoint();
std::filesystem::path nano();

// {"generate", "a cat", …}: a small picture on the small checkpoint with seed 7, replacing one, then `more`.
Arguments small_picture(const std::filesystem::path& file, const Arguments& more = {});

}  // namespace glm
