#include "base/file_kind.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace glm {
namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t at;
  std::string_view bytes;
  const char* name;
};

// A file is of the kind of the first signature that fits it.
constexpr Signature kSignatures[] = {
    {0, "\x89PNG\r\n\x1a\n"sv, "a PNG"},
    {0, "\xff\xd8\xff"sv, "a JPEG"},
    {8, "WEBP"sv, "a WebP"},
    {0, "GIF8"sv, "a GIF"},
    {4, "ftypavi"sv, "an AVIF picture"},
    {4, "ftyphei"sv, "a HEIC picture"},
    {4, "ftyphev"sv, "a HEIC picture"},
    {4, "ftypmif1"sv, "a HEIC picture"},
    {4, "ftypmsf1"sv, "a HEIC picture"},
    {4, "ftypcrx"sv, "a camera's raw picture"},
    {4, "ftyp"sv, "a video"},
    {0, "\x1a\x45\xdf\xa3"sv, "a video"},
    {0, "\xff\x0a"sv, "a JPEG XL picture"},
    {4, "JXL \r\n"sv, "a JPEG XL picture"},
    {4, "jP  \r\n"sv, "a JPEG 2000 picture"},
    {0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 picture"},
    {0, "II*\0"sv, "a TIFF, or a camera's raw picture"},
    {0, "MM\0*"sv, "a TIFF, or a camera's raw picture"},
    {0, "FUJIFILMCCD-RAW"sv, "a camera's raw picture"},
    {0, "8BPS"sv, "a picture of Photoshop"},
    {0, "gimp xcf"sv, "a picture of GIMP"},
    {0, "\0\0\1\0"sv, "an icon"},
    {0, "v/1\1"sv, "an OpenEXR picture"},
    {0, "#?RADIANCE"sv, "a Radiance picture"},
    {0, "qoif"sv, "a QOI picture"},
    {0, "DDS "sv, "a DDS texture"},
    {0, "%PDF-"sv, "a PDF"},
    {0, "%!PS"sv, "a PostScript document"},
    {0, "GGUF"sv, "weights of another format (GGUF)"},
    {0, "\x89HDF"sv, "weights of another format (HDF5)"},
    {0, "\x80\2"sv, "weights of another format (a Python pickle)"},
    {0, "PK\3\4"sv, "a ZIP archive, or PyTorch's own weights"},
    {0, "\x1f\x8b"sv, "a compressed file (gzip)"},
    {0,
     "\xfd"
     "7zXZ"sv,
     "a compressed file (xz)"},
    {0, "\x28\xb5\x2f\xfd"sv, "a compressed file (zstd)"},
    {0, "BZh"sv, "a compressed file (bzip2)"},
    {0, "7z\xbc\xaf"sv, "a 7z archive"},
    {0, "Rar!"sv, "a RAR archive"},
    {257, "ustar"sv, "a tar archive"},
};

// Returns the bytes in lower case, without a byte order mark and white space at their beginning.
std::string text_of(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  bytes.remove_prefix(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  return lower_case(std::string(bytes));
}

bool is_portable_map(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
         std::isspace(static_cast<unsigned char>(bytes[2])) != 0;
}

}  // namespace

FileKind file_kind(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kFileKindBytes);
  if (bytes.empty()) return {.name = "an empty file", .advice = "get it again"};
  const std::string text = text_of(bytes);
  if (text.starts_with("version https://git-lfs.")) {
    return {.name = "a Git LFS pointer, which stands for the file",
            .advice = "fetch the file itself with git lfs pull"};
  }
  if (text.starts_with("version https://hawser.") || text.find("/annex/objects/") != std::string::npos) {
    return {.name = "a pointer of git-annex or an old Git LFS, which stands for the file",
            .advice = "fetch the file itself"};
  }
  if (text.starts_with("<svg") || (text.starts_with("<?xml") && text.find("<svg") != std::string::npos)) {
    return {.name = "an SVG drawing", .advice = ""};
  }
  if (text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<head") ||
      text.starts_with("<?xml") || text.starts_with("<!--")) {
    return {.name = "a web page", .advice = "open it in a browser to see what it says, then download the file again"};
  }
  const auto known = std::find_if(std::begin(kSignatures), std::end(kSignatures), [&](const Signature& signature) {
    return bytes.size() >= signature.at && bytes.substr(signature.at).starts_with(signature.bytes);
  });
  if (known != std::end(kSignatures)) return {.name = known->name, .advice = ""};
  if (is_portable_map(bytes)) return {.name = "a PNM picture", .advice = ""};
  if (bytes.size() >= 16 && bytes.find_first_not_of('\0') == std::string_view::npos) {
    return {.name = "zeros at its beginning, as an interrupted download leaves them", .advice = "download it again"};
  }
  return {};
}

}  // namespace glm
