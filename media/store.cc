#include "media/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/read_file.h"
#include "base/refuse.h"
#include "base/text.h"
#include "base/uuid.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int64_t kVersion = 1;                       // of the tasks' files
constexpr int64_t kDays30 = int64_t{30} * 24 * 3600;  // seconds
constexpr uint64_t kMostRecord = uint64_t{1} << 30;   // bytes of a task's file
constexpr uint64_t kMostPicture = uint64_t{1} << 30;  // bytes of a picture's file

int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

int64_t number(const DatabaseValue& value) {
  const auto* found = std::get_if<int64_t>(&value);
  return found == nullptr ? 0 : *found;
}
std::string text(const DatabaseValue& value) {
  const auto* found = std::get_if<std::string>(&value);
  return found == nullptr ? "" : *found;
}

bool is_extension(const std::string& text) {
  return text == "jpg" || text == "png" || text == "webp";
}

// When a picture that was made at this time expires; 0: never.
int64_t expiry(const StoredTask& task, int64_t made) {
  if (task.uploads) return made + kDays30;
  int64_t end = 0;
  return task.ttl > 0 && checked_add(made, task.ttl, &end) ? end : 0;
}

// Returns the names in a folder that are a UUID in lower case and one of the endings.
struct Name {
  std::string uuid;
  std::string extension;
};
std::vector<Name> names_in(const fs::path& folder, const std::function<bool(const std::string&)>& is_ending) {
  std::vector<Name> names;
  std::error_code failed;
  fs::directory_iterator entry(folder, failed);
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    const size_t dot = name.find('.');
    if (dot == std::string::npos) continue;
    Name found{.uuid = name.substr(0, dot), .extension = name.substr(dot + 1)};
    if (is_uuid4(found.uuid) && lower_case(found.uuid) == found.uuid && is_ending(found.extension))
      names.push_back(found);
  }
  if (failed) refuse(ErrorCode::io, folder.string(), "a folder to read", failed.message());
  return names;
}

void make_folder(const fs::path& folder) {
  std::error_code failed;
  const bool is_new = fs::create_directories(folder, failed);
  if (failed || !fs::is_directory(folder, failed)) {
    refuse_to_write(folder, failed ? failed.message() : "it is no folder");
  }
  if (is_new) fs::permissions(folder, fs::perms::owner_all, failed);  // prompts and pictures are the user's own
}

json to_json(const StoredTask& task, const std::string& session) {
  return {{"version", kVersion}, {"session", session},        {"finished", task.finished}, {"uploads", task.uploads},
          {"ttl", task.ttl},     {"pictures", task.pictures}, {"content", task.content}};
}

fs::path picture_file(const fs::path& folder, const std::string& uuid, const std::string& extension) {
  return folder / (uuid + "." + extension);
}

MediaPicture picture_of(const fs::path& folder, const DatabaseRow& row) {
  return {.uuid = text(row[0]),
          .file = picture_file(folder, text(row[0]), text(row[1])),
          .task = text(row[2]),
          .uploaded = number(row[3]) != 0,
          .bytes = number(row[4]),
          .made = number(row[5]),
          .expires = number(row[6])};
}

bool is_whole(const DatabaseRow& row) {
  return is_uuid4(text(row[0])) && is_extension(text(row[1]));
}

constexpr const char* kColumns = "SELECT uuid, extension, task, uploaded, bytes, made, expires FROM pictures ";

// Deletes what writers that were killed have left, and not what others are writing now.
void delete_partial_files(const fs::path& folder) {
  std::error_code failed;
  const auto an_hour_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::directory_iterator entry(folder, failed);
  for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with("glm-image-") || !name.ends_with(".partial")) continue;
    std::error_code gone;
    const auto written = fs::last_write_time(entry->path(), gone);
    if (!gone && written < an_hour_ago) fs::remove(entry->path(), gone);
  }
}

// Makes the store's folders where they are missing, and sweeps out what programs have left that were killed.
fs::path prepared(const fs::path& given) {
  fs::path folder = fs::absolute(given).lexically_normal();
  for (const fs::path& part : {folder, folder / "tasks", folder / "sessions"}) {
    make_folder(part);
    delete_partial_files(part);
  }
  sweep_sessions(folder / "sessions");
  return folder;
}

}  // namespace

MediaStore::MediaStore(const fs::path& folder) : folder_(prepared(folder)), session_(folder_ / "sessions") {
  index_ = std::make_unique<MediaIndex>(folder_, [this](Database& index) { adopt(index); });
  deleted_ = prune();
}

void MediaStore::adopt(Database& index) const {
  index.transact([&] {
    adopt_tasks(index);
    adopt_pictures(index);
  });
}

void MediaStore::adopt_tasks(Database& index) const {
  std::set<std::string> known;
  for (const DatabaseRow& row : index.run("SELECT uuid FROM tasks")) known.insert(text(row[0]));
  for (const Name& name : names_in(folder_ / "tasks", [](const std::string& ending) { return ending == "json"; })) {
    if (known.contains(name.uuid)) continue;
    std::string session;
    if (!read_task(name.uuid, &session)) continue;
    index.run("INSERT OR IGNORE INTO tasks VALUES(?, ?, ?)", {name.uuid, session, now()});
  }
}

void MediaStore::adopt_pictures(Database& index) const {
  // The lines are read before the folder: a picture that another program adds has its file first.
  std::set<std::string> lines;
  for (const DatabaseRow& row : index.run("SELECT uuid FROM pictures")) lines.insert(text(row[0]));
  std::set<std::string> gone = lines;
  std::vector<Name> strangers;
  for (const Name& name : names_in(folder_, is_extension)) {
    gone.erase(name.uuid);
    if (!lines.contains(name.uuid)) strangers.push_back(name);
  }
  for (const std::string& uuid : gone) index.run("DELETE FROM pictures WHERE uuid = ?", {uuid});
  if (strangers.empty()) return;
  std::map<std::string, std::shared_ptr<const StoredTask>> owners;  // by their pictures
  for (const DatabaseRow& row : index.run("SELECT uuid FROM tasks")) {
    std::string session;
    auto read = read_task(text(row[0]), &session);
    if (!read) continue;
    read->content.clear();
    const auto task = std::make_shared<const StoredTask>(std::move(*read));
    for (const std::string& uuid : task->pictures) owners.emplace(uuid, task);
  }
  for (const Name& name : strangers) {
    const auto owner = owners.find(name.uuid);
    write_line(index, owner == owners.end() ? StoredTask() : *owner->second, name.uuid, name.extension);
  }
}

// Writes the line of a picture whose file is there.
void MediaStore::write_line(Database& index, const StoredTask& task, const std::string& uuid,
                            const std::string& extension) const {
  struct stat status {};
  if (::lstat(picture_file(folder_, uuid, extension).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const auto made = static_cast<int64_t>(status.st_mtime);
  index.run("INSERT OR REPLACE INTO pictures VALUES(?, ?, ?, ?, ?, ?, ?)",
            {uuid, extension, task.uuid, int64_t{task.uploads ? 1 : 0}, static_cast<int64_t>(status.st_size), made,
             expiry(task, made)});
}

fs::path MediaStore::task_file(const std::string& uuid) const {
  return folder_ / "tasks" / (uuid + ".json");
}

std::optional<StoredTask> MediaStore::read_task(const std::string& uuid, std::string* session) const {
  const FileContents contents = read_whole_file(task_file(uuid), kMostRecord);
  json value;
  if (contents.problem != FileContents::Problem::none ||
      !json_problem(contents.bytes, {.levels = 64}, &value).empty()) {
    return std::nullopt;
  }
  try {
    *session = value.at("session");
    return StoredTask{.uuid = uuid,
                      .pictures = value.at("pictures"),
                      .uploads = value.at("uploads"),
                      .ttl = value.at("ttl"),
                      .finished = value.at("finished"),
                      .content = std::move(value.at("content"))};
  } catch (const json::exception&) {  // a file that nobody of ours wrote
    return std::nullopt;
  }
}

bool MediaStore::claim(const StoredTask& task) {
  bool is_ours = false;
  index_->use([&](Database& index) {
    index.transact([&] {
      const auto rows = index.run("SELECT session FROM tasks WHERE uuid = ?", {task.uuid});
      is_ours = rows.empty() || !session_.sees(text(rows[0][0]));
      if (is_ours) index.run("INSERT OR REPLACE INTO tasks VALUES(?, ?, ?)", {task.uuid, session_.name(), now()});
    });
  });
  if (is_ours) save(task);
  return is_ours;
}

bool MediaStore::is_claimed(const std::string& task_uuid) {
  bool is_claimed = false;
  index_->use([&](Database& index) {
    const auto rows = index.run("SELECT session FROM tasks WHERE uuid = ?", {lower_case(task_uuid)});
    is_claimed = !rows.empty() && session_.sees(text(rows[0][0]));
  });
  return is_claimed;
}

void MediaStore::save(const StoredTask& task) {
  const std::string record = json_text(to_json(task, session_.name()));
  write_file(task_file(task.uuid), bytes_writer(as_bytes(record)));
}

std::optional<MediaStore::Found> MediaStore::find_task(const std::string& task_uuid) {
  const std::string uuid = lower_case(task_uuid);
  if (!is_uuid4(uuid)) return std::nullopt;
  std::string session;
  auto task = read_task(uuid, &session);
  if (!task) return std::nullopt;
  return Found{.task = std::move(*task), .is_running = session_.sees(session)};
}

fs::path MediaStore::add(const StoredTask& task, const std::string& uuid, const std::string& extension,
                         std::span<const uint8_t> bytes) {
  fs::path file = picture_file(folder_, uuid, extension);
  write_file(file, bytes_writer(bytes));
  try {
    index_->use([&](Database& index) { write_line(index, task, uuid, extension); });
  } catch (const Error&) {
    // The picture is there. Whoever opens the store next writes the line.
  }
  return file;
}

std::optional<MediaPicture> MediaStore::find(const std::string& uuid) {
  if (!is_uuid4(uuid)) return std::nullopt;
  std::vector<DatabaseRow> rows;
  index_->use([&](Database& index) { rows = index.run(std::string(kColumns) + "WHERE uuid = ?", {lower_case(uuid)}); });
  if (rows.empty() || !is_whole(rows[0])) return std::nullopt;
  MediaPicture picture = picture_of(folder_, rows[0]);
  std::error_code failed;
  const bool is_there = fs::is_regular_file(fs::symlink_status(picture.file, failed));
  if (!is_there || (picture.expires != 0 && picture.expires <= now())) return std::nullopt;
  return picture;
}

std::optional<std::vector<uint8_t>> MediaStore::use(const std::string& uuid) {
  const auto picture = find(uuid);
  if (!picture) return std::nullopt;
  const FileContents contents = read_whole_file(picture->file, kMostPicture);
  if (contents.problem != FileContents::Problem::none) return std::nullopt;
  if (picture->uploaded) {
    ::utimensat(AT_FDCWD, picture->file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
    index_->use([&](Database& index) {
      index.run("UPDATE pictures SET expires = ? WHERE uuid = ?", {now() + kDays30, picture->uuid});
    });
  }
  const auto bytes = as_bytes(contents.bytes);
  return std::vector<uint8_t>(bytes.begin(), bytes.end());
}

std::vector<MediaPicture> MediaStore::pictures() {
  std::vector<DatabaseRow> rows;
  index_->use([&](Database& index) { rows = index.run(std::string(kColumns) + "ORDER BY made, uuid"); });
  std::vector<MediaPicture> all;
  for (const DatabaseRow& row : rows) {
    if (is_whole(row)) all.push_back(picture_of(folder_, row));
  }
  return all;
}

size_t MediaStore::prune() {
  size_t deleted = std::exchange(deleted_, 0);
  index_->use([&](Database& index) {
    deleted += delete_expired(index);
    delete_old_tasks(index);
  });
  return deleted;
}

// The file goes first: without its line it would be taken in again.
size_t MediaStore::delete_expired(Database& index) const {
  size_t deleted = 0;
  for (const DatabaseRow& row : index.run(std::string(kColumns) + "WHERE expires <> 0 AND expires <= ?", {now()})) {
    std::error_code failed;
    if (is_whole(row)) fs::remove(picture_of(folder_, row).file, failed);
    if (failed) continue;
    index.run("DELETE FROM pictures WHERE uuid = ?", {text(row[0])});
    ++deleted;
  }
  return deleted;
}

void MediaStore::delete_old_tasks(Database& index) const {
  const auto rows = index.run(
      "SELECT uuid, session FROM tasks WHERE made < ? AND NOT EXISTS (SELECT 1 FROM pictures WHERE task = tasks.uuid)",
      {now() - kDays30});
  for (const DatabaseRow& row : rows) {
    if (!is_uuid4(text(row[0])) || session_.sees(text(row[1]))) continue;
    std::error_code failed;
    fs::remove(task_file(text(row[0])), failed);
    if (!failed) index.run("DELETE FROM tasks WHERE uuid = ?", {text(row[0])});
  }
}

}  // namespace glm
