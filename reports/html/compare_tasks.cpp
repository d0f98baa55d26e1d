// One task of a comparison: what each verdict says, and the items that changed most.
#include <fmt/format.h>

#include "harness/base/strings.hpp"
#include "reports/compare/format.hpp"
#include "reports/html/compare_parts.hpp"
#include "reports/html/escape.hpp"
#include "reports/html/page.hpp"
#include "reports/table.hpp"

namespace assay::host::html {
namespace {

constexpr std::size_t kIdsShown = 200, kIdPoints = 200;

std::string name_of(const ComparedValue& value) {
  return value_label(value) + (value.variant.empty() ? "" : ", " + value.variant);
}

std::string sentences(const ComparedTask& task) {
  std::string out;
  for (const ComparedValue& value : task.values) {
    out += "<li><bdi>" + text(name_of(value)) + "</bdi>: <bdi>" + text(value.sentence) + "</bdi>";
    if (const std::vector<std::string> notes = value_notes(value, true); !notes.empty())
      out += " <span class=\"soft\">(<bdi>" + text(join(notes, "; ")) + "</bdi>)</span>";
    out += "</li>\n";
  }
  return out.empty() ? out : "<ul class=\"sentences\">\n" + out + "</ul>\n";
}

std::string unmatched(const char* where, const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  std::string out;
  for (std::size_t i = 0; i < ids.size() && i < kIdsShown; ++i)
    out += "<li><bdi>" + text(shortened(ids[i], kIdPoints)) + "</bdi></li>\n";
  if (ids.size() > kIdsShown)
    out += fmt::format("<li>and {} more; `assay compare BASELINE CANDIDATE -v` lists all</li>\n",
                       ids.size() - kIdsShown);
  return details(fmt::format("{} items only in the {}", ids.size(), where), "<ul>\n" + out + "</ul>\n");
}

std::string side(const char* name, const std::string& answer, const std::string& state, double value,
                 std::size_t points_max) {
  return std::string("<div><p class=\"label\">") + name + ", " + text(score_text(value)) +
         (state == "ok" || state.empty() ? std::string() : ", " + text(state)) + "</p>\n" +
         quoted(answer, points_max) + "</div>\n";
}

std::string changed_item(const ComparedValue& value, const ChangedItem& item, std::size_t points_max) {
  std::string out = "<div class=\"item\">\n<h4><bdi>" + text(shortened(item.id, kIdPoints)) + "</bdi>";
  if (!item.variant.empty() && item.variant != value.variant)
    out += " (<bdi>" + text(item.variant) + "</bdi>)";
  if (item.repeat != 0) out += fmt::format(" repeat {}", item.repeat);
  out += "</h4>\n";
  if (!item.prompt.empty()) out += "<p class=\"label\">asked</p>\n" + quoted(item.prompt, points_max);
  return out + "<div class=\"sides\">\n" +
         side("baseline", item.baseline_answer, item.baseline_state, item.baseline, points_max) +
         side("candidate", item.candidate_answer, item.candidate_state, item.candidate, points_max) +
         "</div>\n</div>\n";
}

}  // namespace

std::string task_details(const Comparison& comparison, const ComparedTask& task) {
  std::string out;
  if (!task.comparable())
    out += std::string("<p class=\"bad\"><strong>") +
           (comparison.options.force ? "FORCED, NOT COMPARABLE" : "NOT COMPARABLE") + "</strong></p>\n";
  out += sentences(task);
  out += facts({{"fingerprint of the baseline's model", task.baseline_fingerprint},
                {"fingerprint of the candidate's model", task.candidate_fingerprint}});
  return out + unmatched("baseline", task.only_baseline) + unmatched("candidate", task.only_candidate);
}

void changed_items(const ComparedTask& task, std::size_t points_max, Bounded& out) {
  for (const ComparedValue& value : task.values) {
    std::string body;
    for (const ChangedItem& item : value.changed) body += changed_item(value, item, points_max);
    if (body.empty()) continue;
    out.add(details(fmt::format("{}: {} of {} items changed, the largest {}", name_of(value),
                                value.changed_units, value.difference.n, value.changed.size()),
                    body));
  }
}

}  // namespace assay::host::html
