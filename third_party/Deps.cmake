# One imported target for each library from the distribution. README.md beside this file says what each is here for.
find_package(PkgConfig REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)  # libpng's
find_package(JPEG REQUIRED)
find_package(GIF REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(LCMS2 REQUIRED IMPORTED_TARGET lcms2)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux libwebpmux)
pkg_check_modules(EXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)
pkg_check_modules(SIXEL REQUIRED IMPORTED_TARGET libsixel)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(UUID REQUIRED IMPORTED_TARGET uuid)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)

# Not by pkg-config: Debian's sentencepiece.pc also links the trainer.
find_path(SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)
add_library(glm_sentencepiece UNKNOWN IMPORTED GLOBAL)
set_target_properties(glm_sentencepiece PROPERTIES IMPORTED_LOCATION "${SENTENCEPIECE_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${SENTENCEPIECE_INCLUDE_DIR}")
add_library(glm::sentencepiece ALIAS glm_sentencepiece)

# One header, compiled by the file that includes it: with the one format that it reads, not the libstb.so with all of them.
find_path(STB_INCLUDE_DIR stb/stb_image.h REQUIRED)
add_library(glm_stb INTERFACE)
target_include_directories(glm_stb SYSTEM INTERFACE "${STB_INCLUDE_DIR}")
add_library(glm::stb ALIAS glm_stb)

if(GLM_TESTS)
  find_package(GTest REQUIRED)
endif()
