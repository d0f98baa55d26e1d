// The rows of an evaluation with what was asked and answered, and the match of two evaluations by item.
#include <simdjson.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"
#include "reports/compare/detail.hpp"

namespace assay::host::compare_detail {
namespace {

auto item_key(const SideRow& row) {
  return std::tie(row.id, row.variant);
}

bool target(std::string_view role) {
  return role.empty() || role == "target";
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Splits requests into what a comparison must tell apart. Member names as run/request.cpp writes them; names
// that are not known count as generation parameters.
class Requests {
 public:
  explicit Requests(Texts& texts) : texts_(texts) {}

  void begin() {
    prompt_.clear();
    generation_.clear();
    seeds_.clear();
    answer_.clear();
  }

  void request(std::string_view json) {
    simdjson::dom::object tree;
    if (parser_.parse(json.data(), json.size()).get(tree) != simdjson::SUCCESS) {
      piece(prompt_, "request", json);
      return;
    }
    bool seeded = false;
    std::string members;
    for (const auto& [key, value] : tree) {
      if (one_of(key, {"item", "kind", "name", "repeat", "task", "variant", "want"})) continue;
      const std::string text = simdjson::minify(value);
      if (one_of(key, {"prompt", "messages", "continuation", "join"})) {
        piece(prompt_, key, text);
      } else if (key == "seed") {
        seeded = true;
        piece(seeds_, key, text);
      } else {
        members += (members.empty() ? "\"" : ",\"") + std::string(key) + "\":" + text;
      }
    }
    // The policy is whether a seed is sent; which one is noted apart.
    if (seeded) members += members.empty() ? "\"seed\":\"sent\"" : ",\"seed\":\"sent\"";
    generation_ += (generation_.empty() ? "{" : ",{") + members + "}";
    prompt_ += '\n';
  }

  // Generated answers are compared by their texts: log-probabilities of equal texts may differ in the last
  // digit from machine to machine.
  void answer(int kind, std::string_view json) {
    simdjson::dom::element tree;
    simdjson::dom::array choices;
    if (kind == ASSAY_REQUEST_GENERATE &&
        parser_.parse(json.data(), json.size()).get(tree) == simdjson::SUCCESS &&
        tree["choices"].get(choices) == simdjson::SUCCESS) {
      for (const auto choice : choices) {
        std::string_view text;
        if (choice["text"].get(text) == simdjson::SUCCESS) piece(answer_, "text", text);
      }
      return;
    }
    piece(answer_, "answer", json);
  }

  void finish(SideRow& row) {
    row.prompt = fast_key(prompt_);
    row.seeds = fast_key(seeds_);
    row.answer = fast_key(answer_);
    const auto known = texts_.known.find(generation_);
    if (known != texts_.known.end()) {
      row.generation = known->second;
      return;
    }
    row.generation = static_cast<std::uint32_t>(texts_.generations.size());
    texts_.known.emplace(generation_, row.generation);
    texts_.generations.push_back("[" + generation_ + "]");
  }

 private:
  static void piece(std::string& to, std::string_view name, std::string_view text) {
    to += std::to_string(text.size());
    to += name;
    to += ':';
    to += text;
  }

  Texts& texts_;
  simdjson::dom::parser parser_;
  std::string prompt_, generation_, seeds_, answer_;
};

Error unsettled(const Side& side) {
  return {Code::kUnavailable,
          "run " + side.run.uuid.substr(0, 8) +
              " is being written while it is compared; try again when it has ended",
          {}};
}

}  // namespace

Result<void> load_rows(Reader& reader, Side& side, Texts& texts) {
  side.rows.reserve(static_cast<std::size_t>(side.evaluation.results()));
  Result<void> done = reader.each_item(side.evaluation.id, [&](const ItemView& item) {
    SideRow& row = side.rows.emplace_back();
    row.result = item.result;
    row.id = item.item_id;
    row.variant = item.variant;
    row.group = item.group;
    row.repeat = item.repeat;
    row.label = item.label;
    row.state = item.state;
    row.position = item.position;
    row.content = item.content;
    return true;
  });
  if (!done) return done;
  // The order of Reader::metric_table and of Reader::each_whole: position, repeat, place in the file.
  std::vector<std::uint32_t> order(side.rows.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t x, std::uint32_t y) {
    const SideRow &a = side.rows[x], &b = side.rows[y];
    return std::tie(a.position, a.repeat, a.result) < std::tie(b.position, b.repeat, b.result);
  });
  for (std::size_t i = 0; i < order.size(); ++i) side.rows[order[i]].table_row = i;
  Requests requests(texts);
  std::size_t at = 0;
  done = reader.each_whole(side.evaluation.id, {}, true, [&](const WholeItem& item) -> Result<bool> {
    if (at >= order.size() || side.rows[order[at]].result != item.line.result) return unsettled(side);
    SideRow& row = side.rows[order[at++]];
    requests.begin();
    for (const WholeResponse& response : item.responses) {
      ++side.cost.responses;
      side.cost.tokens_in += response.tokens_in;
      side.cost.tokens_out += response.tokens_out;
      if (response.cached)
        ++side.cost.cached;
      else
        side.cost.seconds += static_cast<double>(response.total_ns) * 1e-9;
      if (!target(response.role)) {
        std::vector<RowId>& models = side.roles[response.role];
        if (std::find(models.begin(), models.end(), response.model) == models.end())
          models.push_back(response.model);
        continue;
      }
      row.asked = true;
      row.kinds |= 1U << (static_cast<unsigned>(response.kind) & 31U);
      requests.request(response.request);
      requests.answer(response.kind, response.answer);
    }
    requests.finish(row);
    return true;
  });
  if (!done) return done;
  if (at != order.size()) return unsettled(side);
  for (auto& [role, models] : side.roles) std::sort(models.begin(), models.end());
  std::sort(side.rows.begin(), side.rows.end(), [](const SideRow& a, const SideRow& b) {
    return std::tie(a.id, a.variant, a.repeat) < std::tie(b.id, b.variant, b.repeat);
  });
  return {};
}

Matches match_rows(const Side& a, const Side& b) {
  Matches out;
  const auto end_of = [](const Side& side, std::size_t begin) {
    std::size_t end = begin + 1;
    while (end < side.rows.size() && item_key(side.rows[end]) == item_key(side.rows[begin])) ++end;
    return end;
  };
  const auto name = [](const SideRow& row) {
    return row.variant.empty() ? row.id : row.id + " (" + row.variant + ")";
  };
  std::size_t i = 0, j = 0;
  while (i < a.rows.size() || j < b.rows.size()) {
    if (j == b.rows.size() || (i < a.rows.size() && item_key(a.rows[i]) < item_key(b.rows[j]))) {
      out.only_a.push_back(name(a.rows[i]));
      i = end_of(a, i);
    } else if (i == a.rows.size() || item_key(b.rows[j]) < item_key(a.rows[i])) {
      out.only_b.push_back(name(b.rows[j]));
      j = end_of(b, j);
    } else {
      const Match match{i, end_of(a, i), j, end_of(b, j)};
      out.items.push_back(match);
      i = match.a_end;
      j = match.b_end;
    }
  }
  return out;
}

std::string answer_text(const std::string& answer_json) {
  simdjson::dom::parser parser;
  simdjson::dom::element tree;
  simdjson::dom::array choices;
  if (parser.parse(answer_json).get(tree) != simdjson::SUCCESS ||
      tree["choices"].get(choices) != simdjson::SUCCESS) {
    return answer_json;
  }
  for (const auto choice : choices) {
    std::string_view text;
    if (choice["text"].get(text) == simdjson::SUCCESS) return std::string(text);
  }
  return answer_json;
}

std::string prompt_text(const std::string& request_json) {
  simdjson::dom::parser parser;
  simdjson::dom::element tree;
  if (parser.parse(request_json).get(tree) != simdjson::SUCCESS) return request_json;
  std::string out;
  simdjson::dom::array messages;
  if (tree["messages"].get(messages) == simdjson::SUCCESS) {
    for (const auto message : messages) {
      std::string_view role, content;
      if (message["role"].get(role) == simdjson::SUCCESS &&
          message["content"].get(content) == simdjson::SUCCESS)
        out += (out.empty() ? "" : "\n") + std::string(role) + ": " + std::string(content);
    }
  }
  std::string_view text;
  if (tree["prompt"].get(text) == simdjson::SUCCESS && !text.empty())
    out += (out.empty() ? "" : "\n") + std::string(text);
  if (tree["continuation"].get(text) == simdjson::SUCCESS && !text.empty()) out += std::string(text);
  return out.empty() ? request_json : out;
}

}  // namespace assay::host::compare_detail
