// A sink that keeps everything a reader of foreign logs hands over, and files to read from.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/interop/imported.hpp"

namespace assay::test {

/// Collects runs, tasks with their rows, and warnings, and insists on the order run, task, rows.
class ImportBox : public host::interop::ImportSink {
 public:
  struct Task {
    host::interop::ImportedTask info;
    std::vector<host::interop::ImportedRow> rows;

    [[nodiscard]] const host::interop::ImportedRow* row(std::string_view id, std::uint32_t repeat = 0,
                                                        std::string_view variant = {}) const {
      for (const auto& one : rows) {
        if (one.id == id && one.repeat == repeat && one.variant == variant) return &one;
      }
      return nullptr;
    }
    /// Index of a column, -1 if there is none.
    [[nodiscard]] int column(std::string_view metric, std::string_view name = "score") const {
      for (std::size_t i = 0; i < info.values.size(); ++i) {
        if (info.values[i].metric == metric && info.values[i].name == name) return static_cast<int>(i);
      }
      return -1;
    }
    [[nodiscard]] const host::interop::ReportedNumber* number(std::string_view metric,
                                                              std::string_view statistic,
                                                              std::string_view split = {}) const {
      for (const auto& one : info.reported) {
        if (one.metric == metric && one.statistic == statistic && one.split == split) return &one;
      }
      return nullptr;
    }
  };

  Result<void> run(const host::interop::ImportedRun& run) override {
    REQUIRE(runs.empty());
    runs.push_back(run);
    return {};
  }
  Result<void> task(const host::interop::ImportedTask& task) override {
    REQUIRE(runs.size() == 1);
    tasks.push_back({task, {}});
    return {};
  }
  Result<void> row(host::interop::ImportedRow&& row) override {
    REQUIRE_FALSE(tasks.empty());
    REQUIRE(row.scores.size() == tasks.back().info.values.size());
    REQUIRE((row.notes.empty() || row.notes.size() == row.scores.size()));
    tasks.back().rows.push_back(std::move(row));
    return {};
  }
  void warning(const std::string& code, const std::string& text) override {
    warnings.emplace_back(code, text);
  }

  [[nodiscard]] const Task* task_named(std::string_view name) const {
    for (const auto& one : tasks) {
      if (one.info.name == name) return &one;
    }
    return nullptr;
  }
  [[nodiscard]] int warned(std::string_view code) const {
    int count = 0;
    for (const auto& one : warnings) count += one.first == code ? 1 : 0;
    return count;
  }

  std::vector<host::interop::ImportedRun> runs;
  std::vector<Task> tasks;
  std::vector<std::pair<std::string, std::string>> warnings;  ///< code, text
};

/// A folder that is removed with the object.
class ImportFolder {
 public:
  ImportFolder() {
    std::random_device random;
    path = std::filesystem::temp_directory_path() /
           ("assay-import-" + std::to_string(random()) + std::to_string(random()));
    std::filesystem::create_directories(path);
  }
  ~ImportFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  ImportFolder(const ImportFolder&) = delete;
  ImportFolder& operator=(const ImportFolder&) = delete;

  /// Writes a file (and the folders above it) and gives its path.
  std::filesystem::path file(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path target = path / name;
    std::filesystem::create_directories(target.parent_path());
    std::ofstream(target, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return target;
  }

  std::filesystem::path path;
};

/// As the expectations of the data write states.
inline const char* state_name(int state) {
  switch (state) {
    case ASSAY_STATE_OK:
      return "ok";
    case ASSAY_STATE_EMPTY:
      return "empty";
    case ASSAY_STATE_REFUSED:
      return "refused";
    case ASSAY_STATE_TRUNCATED:
      return "truncated";
    case ASSAY_STATE_ERROR:
      return "error";
    case host::interop::kMissing:
      return "missing";
    default:
      return "another";
  }
}

}  // namespace assay::test
