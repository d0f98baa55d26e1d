// The files of a batch: numbered parts within the endpoint's limits, or standard output.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "harness/base/hash.hpp"
#include "harness/interop/export/file.hpp"
#include "harness/interop/export/formats.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting {

/// assay:<task>:<item>:<repeat>, its parts percent-encoded.
inline std::string batch_id(std::string_view task, std::string_view item, std::uint32_t repeat) {
  return "assay:" + percent_encoded(task) + ":" + percent_encoded(item) + ":" + std::to_string(repeat);
}

/// The lines of one model, split into files.
class Parts {
 public:
  Parts(const Task& task, const std::string& model) : task_(task), model_(file_word(model)) {}

  Result<void> write(std::string_view line) {
    const auto size = static_cast<std::int64_t>(line.size());
    if (file_ && (lines_ == task_.options.lines_max || file_->bytes() + size > task_.options.bytes_max)) {
      if (task_.options.out == "-") return too_much();
      if (Result<void> done = finish(); !done) return done;
    }
    if (!file_) {
      if (Result<void> done = begin(); !done) return done;
    }
    ++lines_;
    return file_->write(line);
  }
  Result<void> finish() {
    if (!file_) return {};
    if (Result<void> saved = file_->save(); !saved) return saved;
    task_.summary.files.push_back(file_->path());
    file_.reset();
    return {};
  }

 private:
  Result<void> begin() {
    std::string path = "-";
    if (task_.options.out != "-") {
      std::string number = std::to_string(++part_);
      number.insert(0, number.size() < 3 ? 3 - number.size() : 0, '0');
      path = folder_of(task_) + "/" + model_ + "-" + number + ".jsonl";
    }
    lines_ = 0;
    Result<std::unique_ptr<OutputFile>> opened = OutputFile::open(path);
    if (!opened) return std::move(opened).error();
    file_ = std::move(*opened);
    return {};
  }
  [[nodiscard]] Error too_much() const {
    return {Code::kInvalidArgument,
            "the requests do not fit into one batch file (" + std::to_string(task_.options.lines_max) +
                " lines, " + std::to_string(task_.options.bytes_max) + " bytes): --out must name a folder",
            "out"};
  }

  const Task& task_;
  std::string model_;
  std::unique_ptr<OutputFile> file_;
  std::int64_t lines_ = 0;
  int part_ = 0;
};

/// The lines of the batch input that options.requests names whose custom_id has no answer in the run, as they
/// are.
Result<void> export_unanswered(const Task& task);

}  // namespace assay::host::exporting
