#include "harness/cli/cache_explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/run/request.hpp"
#include "reports/table.hpp"

namespace assay::host::cli {
namespace {

constexpr std::size_t kDigestDigits = 64;
constexpr std::size_t kShort = 8;       ///< digits of a hash that people read
constexpr std::size_t kTextShown = 48;  ///< bytes of a text that are shown whole
constexpr std::size_t kAround = 24;     ///< bytes shown from the first difference on
constexpr std::size_t kFieldShown = 400;
constexpr char kPlugin[] = "model > plugin > id";

/// A part of the key that differs between two requests.
struct KeyDifference {
  std::string part;  ///< "temperature", "model > library", "messages > 2 > content"
  Json here, there;  ///< null: the request has no such part
};

/// A stored response with its key taken apart.
struct KeyParts {
  const KeyedResponse* of = nullptr;
  Json model, request;  ///< objects; a text that cannot be read stands as it is
};

Json tree_of(const std::string& text) {
  Result<Json> tree = parse_json(text, "a stored key");
  return tree && tree->is_object() ? *std::move(tree) : Json(text);
}

void compare(const Json& here, const Json& there, const std::string& path, std::vector<KeyDifference>& out) {
  if (here == there) return;
  const auto below = [&](const std::string& name) { return path.empty() ? name : path + " > " + name; };
  if (here.is_object() && there.is_object()) {
    for (const auto& [key, value] : here.items())
      compare(value, there.contains(key) ? there[key] : Json(), below(key), out);
    for (const auto& [key, value] : there.items()) {
      if (!here.contains(key)) compare(Json(), value, below(key), out);
    }
    return;
  }
  const bool lists = here.is_array() && there.is_array() && !here.empty() && here[0].is_object();
  if (!lists) {
    out.push_back({path, here, there});
    return;
  }
  for (std::size_t i = 0; i < std::max(here.size(), there.size()); ++i) {
    compare(i < here.size() ? here[i] : Json(), i < there.size() ? there[i] : Json(),
            below(std::to_string(i + 1)), out);
  }
}

bool is_digest(const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == kDigestDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string value_text(const Json& value) {
  if (value.is_null()) return "none";
  if (is_digest(value)) return value.get<std::string>().substr(0, kShort);
  if (value.is_string()) return "\"" + printable(value.get_ref<const std::string&>(), kFieldShown) + "\"";
  return printable(canonical(value), kFieldShown);
}

// The beginning of `text` from `at` on, moved back to the start of a character.
std::string excerpt(const std::string& text, std::size_t at) {
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) --at;
  std::size_t end = std::min(text.size(), at + kAround);
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
  if (at >= text.size()) return "its end";
  const std::string part = printable(text.substr(at, end - at), 4 * kAround);
  return "\"" + part + (end < text.size() ? "..." : "") + "\"";
}

KeyParts key_parts(const KeyedResponse& response) {
  return {&response, tree_of(response.identity), tree_of(response.request)};
}

// Parts in which the keys differ, the model's first; empty when the keys are equal.
std::vector<KeyDifference> key_differences(const KeyParts& here, const KeyParts& there) {
  std::vector<KeyDifference> out;
  if (here.of->key == there.of->key) return out;
  if (here.of->fingerprint != there.of->fingerprint) {
    compare(here.model, there.model, "model", out);
    if (out.empty()) out.push_back({"model > fingerprint", here.of->fingerprint, there.of->fingerprint});
  }
  compare(here.request, there.request, {}, out);
  return out;
}

// "temperature: 0 here, 0.7 there"; long texts by the place of their first difference.
std::string difference_text(const KeyDifference& difference) {
  const Json &here = difference.here, &there = difference.there;
  const std::string both = value_text(here) + " here, " + value_text(there) + " there";
  if (difference.part == "model > library")
    return "model > library: another build of the plugin (" + both + ")";
  if (difference.part == "model > content")
    return "model > content: the model holds something else (" + both + ")";
  if (difference.part == kPlugin) return difference.part + ": another kind of model (" + both + ")";
  if (here.is_string() && there.is_string() && !is_digest(here) && !is_digest(there)) {
    const auto &a = here.get_ref<const std::string&>(), &b = there.get_ref<const std::string&>();
    if (a.size() > kTextShown || b.size() > kTextShown) {
      const auto at =
          static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
      return fmt::format("{}: first difference at byte {}: {} here, {} there", difference.part, at,
                         excerpt(a, at), excerpt(b, at));
    }
  }
  return difference.part + ": " + both;
}

// The stored response that is nearest to a request, and in what it differs.
struct Nearest {
  const KeyedResponse* response = nullptr;
  std::vector<KeyDifference> differs;
};

void look(const KeyParts& here, const std::vector<KeyParts>& candidates, bool other_runs, Nearest& nearest) {
  for (const KeyParts& there : candidates) {
    if (there.of->response == here.of->response || (there.of->run != here.of->run) != other_runs) continue;
    std::vector<KeyDifference> differs = key_differences(here, there);
    if (nearest.response != nullptr && differs.size() >= nearest.differs.size()) continue;
    nearest = {there.of, std::move(differs)};
  }
}

std::vector<KeyParts> taken_apart(const std::vector<KeyedResponse>& responses) {
  std::vector<KeyParts> out;
  out.reserve(responses.size());
  for (const KeyedResponse& response : responses) out.push_back(key_parts(response));
  return out;
}

// Of another kind of model, its parameters are not worth a list.
std::vector<KeyDifference> without_parameters(std::vector<KeyDifference> differs) {
  const auto other = std::find_if(differs.begin(), differs.end(),
                                  [](const KeyDifference& one) { return one.part == kPlugin; });
  if (other == differs.end()) return differs;
  std::erase_if(differs, [](const KeyDifference& one) {
    return one.part.starts_with("model > ") && one.part != kPlugin;
  });
  return differs;
}

// What keeps an answer with the very same key from being served.
std::string same_key_text(const KeyedResponse& there) {
  if (there.servable) {
    return "no part of the key differs; it was stored later, or the run was told not to use stored answers";
  }
  if (!assay::host::servable(there.state))
    return std::string("no part of the key differs, but it is a failure (") + state_name(there.state) +
           "), which is never served";
  return "no part of the key differs, but it is a record only: another answer took its place, or it was "
         "pruned";
}

class Explanation {
 public:
  Explanation(Reader& reader, std::string item) : reader_(reader), item_(std::move(item)) {}

  Result<void> open() {
    Result<std::vector<KeyedResponse>> found = reader_.responses_to_item(item_);
    if (!found) return std::move(found).error();
    stored_ = *std::move(found);
    candidates_ = taken_apart(stored_);
    return {};
  }

  Result<void> add(const ItemLine& item, Json& out, std::string& text) {
    Result<std::vector<KeyedResponse>> own = reader_.keyed_responses(item.result);
    if (!own) return std::move(own).error();
    Json one = {{"task", item.recipe},      {"model", item.model},   {"item", item.item_id},
                {"variant", item.variant},  {"repeat", item.repeat}, {"state", state_name(item.state)},
                {"requests", Json::array()}};
    text += item.recipe + ", " + item.model + ", item " + printable(item.item_id) +
            (item.variant.empty() ? "" : " (" + item.variant + ")") +
            (item.repeat == 0 ? "" : ", repeat " + std::to_string(item.repeat)) + ": " +
            state_name(item.state) + "\n";
    if (own->empty()) text += "  nothing was asked for it\n";
    for (const KeyedResponse& response : *own) {
      if (Result<void> ok = explain(response, one["requests"], text); !ok) return ok;
    }
    out.push_back(std::move(one));
    return {};
  }

 private:
  Result<void> explain(const KeyedResponse& response, Json& out, std::string& text) {
    const KeyParts parts = key_parts(response);
    const bool whole = hex(response_key(response.fingerprint, response.request)) == response.key;
    text += "  request " + printable(response.name) +
            (response.role.empty() ? "" : " [" + response.role + "]") + ": " +
            (response.cached ? "served from the database" : "asked by the run") + ", stored " +
            moment_text(response.created) +
            (response.servable ? "" : std::string(", not servable (") + state_name(response.state) + ")") +
            "\n    key " + response.key +
            (whole ? "" : " - does not fit what is stored: the row is damaged") + "\n";
    text += model_text(response, parts.model);
    if (!parts.request.is_object()) text += "    request (unreadable) " + value_text(parts.request) + "\n";
    for (const auto& [field, value] : parts.request.items())
      text += "    " + field + " " + value_text(value) + "\n";
    Result<Json> near = nearest_to(parts, text);
    if (!near) return std::move(near).error();
    out.push_back(
        {{"name", response.name},
         {"role", response.role},
         {"served", response.cached},
         {"servable", response.servable},
         {"state", state_name(response.state)},
         {"created", moment_text(response.created)},
         {"key", response.key},
         {"key_fits", whole},
         {"key_format", kKeyFormat},
         {"model", {{"name", response.model}, {"fingerprint", response.fingerprint}, {"parts", parts.model}}},
         {"request", parts.request},
         {"nearest", *std::move(near)}});
    return {};
  }

  // ", order=2, train=996d8fb5": parameters that have a value.
  static std::string parameters_text(const Json& plugin) {
    std::string text;
    if (!plugin.contains("params")) return text;
    for (const auto& [name, value] : plugin["params"].items()) {
      if (value == "" || value == "[]") continue;
      const bool plain = value.is_string() && !is_digest(value);
      text += ", " + name + "=" +
              (plain ? printable(value.get_ref<const std::string&>(), kFieldShown) : value_text(value));
    }
    return text;
  }

  static std::string model_text(const KeyedResponse& response, const Json& model) {
    std::string text = "    model " + printable(response.model) + ", fingerprint " +
                       response.fingerprint.substr(0, kShort) + "\n";
    if (!model.is_object()) return text;
    for (const auto& [part, value] : model.items()) {
      if (part == "plugin" && value.is_object()) {
        text += "      plugin " + value_text(value.value("id", Json())) + parameters_text(value) + "\n";
      } else if (!value.empty() && value != "") {
        text += "      " + part + " " + value_text(value) + "\n";
      }
    }
    return text;
  }

  // The same item in other runs says most, then the same item in this run; otherwise any answer of the model.
  Result<Json> nearest_to(const KeyParts& parts, std::string& text) {
    Nearest nearest;
    look(parts, candidates_, true, nearest);
    if (nearest.response == nullptr) look(parts, candidates_, false, nearest);
    std::vector<KeyedResponse> beside;
    if (nearest.response == nullptr) {
      Result<std::vector<KeyedResponse>> found = reader_.responses_beside(parts.of->response);
      if (!found) return std::move(found).error();
      beside = *std::move(found);
      for (KeyedResponse& one : beside) one.run = parts.of->run;
      look(parts, taken_apart(beside), false, nearest);
    }
    if (nearest.response == nullptr) {
      text += "    nearest: nothing near is stored\n";
      return Json();
    }
    const KeyedResponse& there = *nearest.response;
    nearest.differs = without_parameters(std::move(nearest.differs));
    Json differs = Json::array();
    text += "    nearest: " + where(there, *parts.of) + ", stored " + moment_text(there.created) + "\n";
    for (const KeyDifference& one : nearest.differs) {
      differs.push_back(
          {{"part", one.part}, {"here", one.here}, {"there", one.there}, {"text", difference_text(one)}});
      text += "      " + difference_text(one) + "\n";
    }
    if (nearest.differs.empty()) text += "      " + same_key_text(there) + "\n";
    Json out = {{"model", there.model},
                {"fingerprint", there.fingerprint},
                {"key", there.key},
                {"servable", there.servable},
                {"state", state_name(there.state)},
                {"created", moment_text(there.created)},
                {"differs", differs}};
    if (!there.run_uuid.empty()) {
      out.update({{"run", there.run_uuid},
                  {"task", there.recipe},
                  {"item", there.item_id},
                  {"repeat", there.repeat},
                  {"name", there.name}});
    }
    if (nearest.differs.empty()) out["why"] = same_key_text(there);
    return out;
  }

  static std::string where(const KeyedResponse& there, const KeyedResponse& here) {
    if (there.run_uuid.empty()) return "another answer of this model (nothing else of this item is stored)";
    std::string text = there.run == here.run ? "this run" : "run " + there.run_uuid.substr(0, kShort);
    text += ", " + there.recipe + ", model " + printable(there.model) + ", request " + printable(there.name);
    if (there.repeat != here.repeat) text += ", repeat " + std::to_string(there.repeat);
    return text;
  }

  Reader& reader_;
  std::string item_;
  std::vector<KeyedResponse> stored_;
  std::vector<KeyParts> candidates_;
};

}  // namespace

std::string moment_text(std::int64_t seconds) {
  if (seconds < 0) return {};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[32];
  if (::gmtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

int cache_explain(const Globals& globals, Reader& reader, const RunSummary& run, const std::string& item,
                  const std::string& task) {
  Result<std::vector<ItemLine>> found = reader.find_item(run.run.id, item);
  if (!found) return report(globals, found.error());
  std::vector<std::string> tasks;
  for (const ItemLine& line : *found) {
    if (std::find(tasks.begin(), tasks.end(), line.recipe) == tasks.end()) tasks.push_back(line.recipe);
  }
  const bool known = task.empty() || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
  if (found->empty() || !known) {
    return report(globals, {Code::kNotFound,
                            "run " + run.run.uuid.substr(0, kShort) + " has no item '" + printable(item) +
                                "'" + (task.empty() ? "" : " in a task '" + printable(task) + "'") +
                                (tasks.empty() ? "" : "; it is an item of " + join(tasks, ", ")) +
                                did_you_mean(task, tasks) + " (`assay show RUN --items` lists items)",
                            {}});
  }
  Explanation explanation(reader, item);
  if (Result<void> ok = explanation.open(); !ok) return report(globals, ok.error());
  Json list = Json::array();
  std::string text;
  for (const ItemLine& line : *found) {
    if (!task.empty() && line.recipe != task) continue;
    if (Result<void> ok = explanation.add(line, list, text); !ok) return report(globals, ok.error());
  }
  print(globals.json
            ? canonical(Json{{"schema", "assay-cache-explain/1"}, {"run", run.run.uuid}, {"items", list}}) +
                  "\n"
            : text);
  return kDone;
}

}  // namespace assay::host::cli
