#include "cli/report.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/json.h"
#include "base/text.h"
#include "cli/characters.h"
#include "cli/file_names.h"
#include "cli/terminal.h"
#include "glm/weight_formats.h"

namespace glm::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kStillThere = "; the pictures are in their files";

bool is_cropped(const Details& d) {
  return d.width != d.rendered_width || d.height != d.rendered_height;
}

// Writes --text and a text for a shell: " --text OPEN", or " --text 'OPEN 24 HOURS'". One that begins with - would be
// taken for an option.
std::string text_option(const std::string& text) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c >= 0x80; });
  const std::string option = text.starts_with('-') ? " --text=" : " --text ";
  if (plain) return option + text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return option + quoted + "'";
}

bool mentions_writing(const std::string& prompt) {
  for (const char* word : {" says ", " saying ", " reads ", " reading ", " titled ", " labeled ", " labelled ",
                           " written ", " the text ", " the words ", " lettering "}) {
    if (prompt.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) tell("glm-image: warning: " + printable(warning) + "\n");
}

void print_texts(const Request& request) {
  const std::vector<std::string> texts = request.texts.empty() ? quoted_texts(request.prompt) : request.texts;
  std::string line;
  for (const std::string& text : texts) line += (line.empty() ? "\"" : ", \"") + printable(text) + "\"";
  if (!line.empty()) tell("text to be drawn: " + line + "\n");
  if (!request.texts.empty()) return;
  std::string options;
  std::vector<std::string> unread = unread_texts(request.prompt);
  std::erase_if(unread, is_blank);
  std::vector<std::string> all = texts;
  all.insert(all.end(), unread.begin(), unread.end());
  for (const std::string& text : all) options += is_blank(text) ? "" : text_option(printable(text));
  if (!unread.empty()) {
    tell(
        "only '…', “…”, \"…\" and 「…」 are read as quotes, in pairs, so the picture is drawn without what stands "
        "in other marks; put it in these, or add" +
        options + "\n");
  } else if (texts.empty() && mentions_writing(request.prompt)) {
    tell(
        "no text in quotes, so the picture is drawn without text. Did the shell remove the quotes? Write 'a sign that "
        "says "
        "\"OPEN\"' with both kinds, or add --text OPEN\n");
  }
}

std::string duration_text(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 1) return "under a second";
  if (whole < 120) return std::to_string(whole) + " s";
  if (whole < 7200) return std::to_string(whole / 60) + " min";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

namespace {

json plan_json(const Plan& p, const Request& request, const std::vector<fs::path>& files) {
  const Details& d = p.details;
  json names = json::array();
  json bytes = json::array();
  for (const fs::path& file : files) {
    names.push_back(file.string());
    bytes.push_back(bytes_of_name(file));
  }
  const bool utf8 = std::all_of(files.begin(), files.end(), is_utf8);
  json object = {{"dry_run", true},
                 {"files", names},
                 {"seeds", request.seeds},
                 {"device", p.device},
                 {"dtype", p.dtype},
                 {"precision", p.precision},
                 {"width", d.width},
                 {"height", d.height},
                 {"rendered_width", d.rendered_width},
                 {"rendered_height", d.rendered_height},
                 {"grid", {p.grid_width, p.grid_height}},
                 {"preview_grid", {p.preview_width, p.preview_height}},
                 {"tokens", p.tokens},
                 {"steps", d.steps},
                 {"guidance", d.guidance},
                 {"temperature", d.temperature},
                 {"top_k", d.top_k},
                 {"top_p", d.top_p},
                 {"weight_bytes", std::llround(p.weight_bytes)},
                 {"working_bytes", std::llround(p.working_bytes)},
                 {"free_bytes", p.free_bytes < 0 ? json() : json(p.free_bytes)},
                 {"seconds", p.seconds}};
  if (!utf8) object["files_base64"] = bytes;
  return object;
}

std::string plan_text(const Plan& p, const Request& request, const std::vector<fs::path>& files) {
  const Details& d = p.details;
  std::ostringstream out;
  out << "pictures: " << files.size() << ", " << size_text(d.width, d.height);
  if (is_cropped(d)) out << ", cropped from " << size_text(d.rendered_width, d.rendered_height);
  for (const fs::path& file : files) out << (file == files.front() ? ", to " : ", ") << file.string();
  out << "\ngrid: " << size_text(p.grid_width, p.grid_height);
  if (p.preview_width > 0) out << " after a small one of " << size_text(p.preview_width, p.preview_height);
  out << ", " << p.tokens << " tokens\nsteps: " << d.steps << ", guidance " << d.guidance << "\ndrawing tokens: ";
  if (request.greedy) {
    out << "the likeliest";
  } else {
    out << "temperature " << d.temperature << ", top-k " << d.top_k << ", top-p " << d.top_p;
  }
  const bool little = p.free_bytes >= 0 && p.weight_bytes + p.working_bytes > static_cast<double>(p.free_bytes);
  out << "\ndevice: " << p.device << ", " << p.dtype << (p.precision == whole_precision("") ? "" : ", " + p.precision)
      << "\nmemory: about " << gigabytes_text(p.weight_bytes) << " for the weights and "
      << gigabytes_text(p.working_bytes) << " for the rest, "
      << (p.free_bytes < 0 ? "unknown how much is" : gigabytes_text(static_cast<double>(p.free_bytes))) << " free"
      << (little ? ": too little" : "") << "\ntime: about " << duration_text(p.seconds) << " without loading\n";
  return out.str();
}

}  // namespace

void print_plan(const Plan& p, const Request& request, const std::vector<fs::path>& files, bool as_json) {
  as_json ? print_json(json_text(plan_json(p, request, files))) : tell(plan_text(p, request, files));
}

void print_summary(const std::vector<Written>& written, const Details& d, const Result& result) {
  std::ostringstream line;
  line << (written.size() == 1 ? "seed " : "seeds ");
  for (const Written& picture : written) line << (&picture == &written.front() ? "" : ", ") << picture.seed;
  line << "  " << size_text(d.width, d.height);
  if (is_cropped(d)) {
    line << ", cropped from " << size_text(d.rendered_width, d.rendered_height) << ", grid "
         << size_text(d.grid_width, d.grid_height);
  }
  line.precision(2);
  line << std::fixed;
  for (const Result::StageTime& time : result.times) {
    line << (&time == &result.times.front() ? "  (" : ", ") << stage_name(time.stage) << " " << time.seconds << " s";
    const bool has_passes = time.stage == Stage::tokens && result.token_passes > 0;
    if (has_passes) line << " for " << time.units << " in " << result.token_passes << " passes";
  }
  tell(line.str() + (result.times.empty() ? "" : ")") + "\n");
}

void print_results(const std::vector<Written>& written, const Details& d, const Result& result, bool as_json) {
  if (!as_json) {
    std::string lines;
    for (const Written& picture : written) {
      if (picture.file != "-") lines += picture.file.string() + "\n";
    }
    print(lines, kStillThere);
    return;
  }
  json pictures = json::array();
  for (const Written& picture : written) {
    pictures.push_back(
        {{"file", picture.file.string()}, {"seed", picture.seed}, {"width", d.width}, {"height", d.height}});
    if (!is_utf8(picture.file)) pictures.back()["file_base64"] = bytes_of_name(picture.file);
  }
  json seconds = json::object();
  json object = {{"pictures", pictures}, {"peak_bytes", result.peak_bytes}, {"warnings", result.warnings}};
  for (const Result::StageTime& time : result.times) {
    seconds[stage_name(time.stage)] = time.seconds;
    const double rate = time.seconds > 0 ? static_cast<double>(time.units) / time.seconds : 0;
    if (time.stage == Stage::tokens) {
      object["tokens"] = time.units;
      object["token_passes"] = result.token_passes;
      object["tokens_per_second"] = rate;
    }
    if (time.stage == Stage::steps) object["steps_per_second"] = rate;
  }
  object["seconds"] = seconds;
  print_json(json_text(object), kStillThere);
}

}  // namespace glm::cli
