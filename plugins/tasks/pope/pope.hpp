// `assay.pope`: yes/no questions about objects in images (Li et al. 2023, RUCAIBox/POPE).
#pragma once

#include "assay/sdk/task.hpp"
#include "plugins/tasks/pope/pope_questions.hpp"

namespace assay::pope {

class PopeTask final : public Task {
 public:
  static constexpr TaskInfo info = {
      .id = "assay.pope",
      .title = "POPE: is the object in the image?",
      .doc =
          "Yes/no questions about objects in COCO images (RUCAIBox/POPE). One GENERATE request \"answer\" "
          "per "
          "question, at most 10 tokens; label 1 means yes. The variant of every item is the name of the "
          "split, since "
          "figures without it mean nothing: random, random2910 (the list replaced in October 2023), popular, "
          "adversarial. Images are not sent: the task is made for answers that were recorded with the "
          "images, and a "
          "model that never saw them is refused when require_image is set.",
      .requires_caps = ASSAY_CAP_GENERATE};

  Result<void> open(Call&) override {
    auto read = read_questions(data_.get().text);
    if (!read) return std::move(read).error();
    questions_ = std::move(*read);
    for (std::string& sentence : questions_.problems) problem(std::move(sentence));
    return {};
  }
  [[nodiscard]] std::int64_t count() const override {
    return static_cast<std::int64_t>(questions_.list.size());
  }

  Result<void> item(std::uint64_t index, ItemWriter& out) override {
    const Question& q = questions_.list[index];
    out.id(q.id).text(q.text).label(q.yes ? 1 : 0).target(q.yes ? "yes" : "no").variant(split_.get());
    if (!q.image.empty()) out.group(q.image).field("image", q.image);
    const std::string prompt = q.text + suffix_.get();
    out.request({.name = "answer",
                 .prompt = prompt,
                 .want = require_image_ ? ASSAY_CAP_IMAGE : 0,
                 .max_tokens = static_cast<int>(max_tokens_.get())});
    return {};
  }

 private:
  Param<Path> data_{*this, "data", std::nullopt, "questions: lines with question_id, image, text, label",
                    REQUIRED | AFFECTS_RESULT};
  Param<std::string> split_{
      *this, "split", std::nullopt,
      "name of the split, the variant of every item: random, random2910, popular, adversarial",
      REQUIRED | AFFECTS_RESULT};
  Param<std::string> suffix_{*this, "suffix", std::string(),
                             "text after the question, for example \" Please answer yes or no.\"",
                             AFFECTS_RESULT};
  Param<std::int64_t> max_tokens_{*this, "max_tokens", 10, "longest answer, in tokens",
                                  ParamOptions{.flags = AFFECTS_RESULT, .min = 1, .max = 4096}};
  Param<bool> require_image_{*this, "require_image", false,
                             "ask for the capability IMAGE; off: recorded answers may come from any model"};
  Questions questions_;
};

}  // namespace assay::pope
