// make_pope_answers QUESTIONS.jsonl TP FP TN FN [SPLIT] > answers.jsonl
//
// Writes a recording (assay.replay, format jsonl) whose answers to the POPE questions realise the confusion
// matrix. With SPLIT the answers are for that variant only: question ids of different lists overlap. Exit
// code 2 with a sentence if the counts do not fit the questions.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/support/pope_answers.hpp"

namespace {

bool read_count(const char* text, std::int64_t& out) {
  const char* end = text + std::strlen(text);
  const auto parsed = std::from_chars(text, end, out);
  return parsed.ec == std::errc() && parsed.ptr == end && out >= 0;
}

std::string quoted(std::string_view text) {
  std::string out(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t count[4] = {};
  bool usable = argc == 6 || argc == 7;
  for (int i = 0; usable && i < 4; ++i) usable = read_count(argv[i + 2], count[i]);
  if (!usable) {
    std::fputs("usage: make_pope_answers QUESTIONS.jsonl TP FP TN FN [SPLIT] > answers.jsonl\n", stderr);
    return 2;
  }
  const auto questions = assay::pope::read_questions(argv[1]);
  if (!questions) {
    std::fprintf(stderr, "%s\n", questions.error().text.c_str());
    return 2;
  }
  std::int64_t yes = 0;
  for (const auto& question : questions->list) yes += question.yes ? 1 : 0;
  const auto no = static_cast<std::int64_t>(questions->list.size()) - yes;
  const auto [tp, fp, tn, fn] = count;
  if (tp + fn != yes || fp + tn != no) {
    std::fprintf(stderr,
                 "the list has %lld yes and %lld no questions; TP + FN and FP + TN must equal these\n",
                 static_cast<long long>(yes), static_cast<long long>(no));
    return 2;
  }
  std::puts(R"({"format":"assay.replay/1","model":"answers made to fit a confusion matrix",)"
            R"("capabilities":["generate"],"key_mode":"item"})");
  const auto answers = assay::test::pope_answers(questions->list, tp, fp);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string id = quoted(questions->list[i].id);
    const std::string key = argc == 7 ? "{\"item\":" + id + ",\"variant\":" + quoted(argv[6]) + "}" : id;
    std::printf("{\"key\":%s,\"text\":%s,\"finish_reason\":\"stop\"}\n", key.c_str(),
                quoted(answers[i]).c_str());
  }
  return 0;
}
