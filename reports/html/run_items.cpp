// Samples of items in every state: what was asked, what was answered, what the metrics made of it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/strings.hpp"
#include "harness/interop/export/item_texts.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/html/run_parts.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kSamplesShown = 3, kTargetsShown = 5, kScoresShown = 20, kPointsMin = 200;

using ByState = std::array<std::vector<WholeItem>, 8>;

// The first items of each state in the order of the task, with their bodies.
Result<ByState> choose(Reader& reader, const EvaluationRow& evaluation, std::size_t most) {
  ByState chosen;
  const auto place = [](const WholeItem& item) { return std::pair(item.line.position, item.line.repeat); };
  Result<void> done = reader.each_item(
      evaluation.id,
      [&](const ItemView& view) {
        auto& list = chosen[static_cast<std::size_t>(view.state) & 7U];
        const std::pair at(view.position, view.repeat);
        if (list.size() == most && (most == 0 || at >= place(list.back()))) return true;
        WholeItem item;
        item.line.result = view.result;
        item.line.item_id = view.item_id;
        item.line.variant = view.variant;
        item.line.group = view.group;
        item.line.message = view.message;
        item.line.position = view.position;
        item.line.label = view.label;
        item.line.state = view.state;
        item.line.repeat = view.repeat;
        item.body = view.body;
        const auto after =
            std::find_if(list.begin(), list.end(), [&](const WholeItem& o) { return at < place(o); });
        list.insert(after, std::move(item));
        if (list.size() > most) list.pop_back();
        return true;
      },
      true);
  if (!done) return std::move(done).error();
  return chosen;
}

class Samples {
 public:
  Samples(Reader& reader, std::size_t points_max) : reader_(reader), points_max_(points_max) {}

  Result<std::string> html(WholeItem& item, const EvaluationRow& evaluation, const std::string& model) {
    Result<std::vector<ItemResponse>> responses = reader_.responses(item.line.result);
    if (!responses) return std::move(responses).error();
    Result<std::vector<ItemScore>> scores = reader_.scores(item.line.result);
    if (!scores) return std::move(scores).error();
    for (const ItemResponse& response : *responses)
      item.responses.push_back(whole(response, evaluation, model));
    const ItemLine& line = item.line;
    std::vector<std::pair<std::string, std::string>> pairs = {
        {"variant", line.variant}, {"group", line.group}, {"message", shortened(line.message, points_max_)}};
    if (line.label >= 0) pairs.emplace_back("label", std::to_string(line.label));
    if (line.repeat != 0) pairs.emplace_back("repeat", std::to_string(line.repeat));
    return "<div class=\"item\">\n<h4><bdi>" + text(shortened(line.item_id, 200)) + "</bdi></h4>\n" +
           facts(pairs) + texts(item, evaluation) + scores_list(*scores) + "</div>\n";
  }

 private:
  static WholeResponse whole(const ItemResponse& from, const EvaluationRow& evaluation,
                             const std::string& model) {
    WholeResponse to;
    to.name = from.name, to.role = from.role, to.request = from.request, to.answer = from.answer;
    to.message = from.message;
    to.model = from.model == model ? evaluation.model : 0;
    to.kind = from.kind, to.state = from.state, to.code = from.code;
    return to;
  }

  std::string texts(const WholeItem& item, const EvaluationRow& evaluation) {
    Result<const exporting::ItemTexts*> read = texts_.read(item, evaluation.model);
    if (!read) return "<p class=\"bad\"><bdi>" + text(read.error().text) + "</bdi></p>\n" + raw(item);
    const exporting::ItemTexts& found = **read;
    std::string out;
    const auto put = [&](const std::string& label, const std::string& body) {
      out += "<p class=\"label\"><bdi>" + text(label) + "</bdi></p>\n" + quoted(body, points_max_);
    };
    if (!found.input.empty()) put("asked", found.input);
    if (!found.prompt.empty() && found.prompt != found.input) put("prompt", found.prompt);
    for (std::size_t i = 0; i < found.targets.size() && i < kTargetsShown; ++i)
      put("expected", found.targets[i]);
    for (const exporting::Generated& generated : found.outputs) {
      for (std::size_t i = 0; i < generated.samples.size() && i < kSamplesShown; ++i)
        put(generated.name.empty() || generated.name == "answer" ? "answer"
                                                                 : "answer (" + generated.name + ")",
            generated.samples[i]);
    }
    if (!found.error.empty() && found.error != item.line.message) put("failed", found.error);
    return found.outputs.empty() ? out + raw(item) : out;
  }

  // Requests that were not answered with texts: as they are stored.
  std::string raw(const WholeItem& item) const {
    std::string out;
    for (std::size_t i = 0; i < item.responses.size() && i < kSamplesShown; ++i) {
      const WholeResponse& response = item.responses[i];
      out += "<p class=\"label\">stored answer to <bdi>" + text(shortened(response.name, 100)) +
             "</bdi></p>\n" +
             quoted(response.answer.empty() ? response.message : response.answer,
                    std::min(points_max_, std::size_t{600}));
    }
    if (item.responses.size() > kSamplesShown)
      out +=
          fmt::format("<p class=\"soft\">and {} more requests</p>\n", item.responses.size() - kSamplesShown);
    return out;
  }

  static std::string scores_list(const std::vector<ItemScore>& scores) {
    Table table("Scores of the item");
    table.column("metric");
    table.column("value");
    table.column("number", Table::Kind::kNumber);
    table.column("state");
    table.column("note");
    for (std::size_t i = 0; i < scores.size() && i < kScoresShown; ++i) {
      const ItemScore& score = scores[i];
      table.row({Cell::of(score.metric), Cell::of(score.value), Cell::of(score.number),
                 Cell::of(score.state == 0 ? "" : state_name(score.state)),
                 Cell::of(shortened(score.note, 200))});
    }
    if (table.empty()) return {};
    return details(scores.size() > kScoresShown
                       ? fmt::format("Scores (the first {} of {})", kScoresShown, scores.size())
                       : std::string("Scores"),
                   table.html());
  }

  Reader& reader_;
  std::size_t points_max_;
  exporting::ItemTextReader texts_;
};

}  // namespace

Result<void> item_samples(Reader& reader, const RunData& data, const RecipeRow& recipe,
                          const RunReportOptions& options, Bounded& out) {
  // Texts get shorter before whole samples are left out.
  std::size_t samples = 0;
  for (const EvaluationRow& evaluation : data.evaluations) {
    if (evaluation.recipe != recipe.id) continue;
    for (const std::int64_t count : evaluation.states)
      samples += std::min(static_cast<std::size_t>(count), options.items_per_state);
  }
  if (samples == 0) return {};
  const std::size_t points = std::clamp(
      out.left() / (samples * 4), std::min(kPointsMin, options.text_points_max), options.text_points_max);
  Samples show(reader, points);
  for (const EvaluationRow& evaluation : data.evaluations) {
    if (evaluation.recipe != recipe.id || evaluation.results() == 0) continue;
    const ModelRow* model = data.model(evaluation.model);
    Result<ByState> chosen = choose(reader, evaluation, options.items_per_state);
    if (!chosen) return std::move(chosen).error();
    for (std::size_t state = 0; state < chosen->size(); ++state) {
      std::string body;
      for (WholeItem& item : (*chosen)[state]) {
        Result<std::string> one = show.html(item, evaluation, model == nullptr ? std::string() : model->name);
        if (!one) return std::move(one).error();
        body += *one;
      }
      if (body.empty()) continue;
      out.add(details(
          fmt::format("{}: {} of {} items in state {}", data.model_name(evaluation), (*chosen)[state].size(),
                      evaluation.states[state], state_name(static_cast<int>(state))),
          body));
    }
  }
  return {};
}

}  // namespace assay::host::html
