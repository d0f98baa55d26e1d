// The entry: global options, the verb, its options - and nothing else. Each verb lives in its own file.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"
#include "harness/run/provenance.hpp"

namespace assay::host::cli {
namespace {

po::options_description global_options() {
  po::options_description options("Global options");
  options.add_options()("db", po::value<std::string>())("json", "")("quiet", "")("verbose,v", "")(
      "color", po::value<std::string>())("plugin", po::value<std::vector<std::string>>())(
      "data", po::value<std::string>())("offline", "")("help,h", "")("version", "");
  return options;
}

Error usage_error(const std::string& text, const Verb* verb) {
  return {Code::kInvalidArgument,
          text + (verb != nullptr ? std::string(" (`assay help ") + verb->name + "` explains)"
                                  : " (`assay help` explains)"),
          {}};
}

// Colours only on a terminal, unless told otherwise; NO_COLOR and TERM=dumb switch them off.
Result<void> set_colors(Globals& globals, const std::string& when) {
  if (when != "auto" && when != "always" && when != "never") {
    return usage_error("--color " + when + ": expected auto, always or never", nullptr);
  }
  const bool wanted = environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  const bool forced = !environment("CLICOLOR_FORCE").empty();
  globals.color_out =
      when == "always" || (when == "auto" && wanted && (forced || ::isatty(1) == 1) && !globals.json);
  globals.color_err = when == "always" || (when == "auto" && wanted && (forced || ::isatty(2) == 1));
  return {};
}

Result<void> read_globals(const po::variables_map& values, Globals& globals) {
  globals.database = get<std::string>(values, "db", environment("ASSAY_DB"));
  if (globals.database.empty()) globals.database = "assay.db";
  globals.json = values.count("json") != 0;
  globals.quiet = values.count("quiet") != 0;
  globals.verbose = values.count("verbose") != 0;
  globals.plugin_files = get<std::vector<std::string>>(values, "plugin");
  globals.data_dir = get<std::string>(values, "data");
  globals.offline = values.count("offline") != 0;
  return set_colors(globals, get<std::string>(values, "color", "auto"));
}

// Turns positional words into named options of the verb.
Result<void> place_positionals(const Verb& verb, const std::vector<std::string>& words,
                               po::variables_map& values) {
  const std::vector<std::string> names = verb.positionals();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool rest = !names.empty() && names.back().size() > 3 &&
                      names.back().substr(names.back().size() - 3) == "..." && i + 1 >= names.size();
    if (rest) {
      const std::string name = names.back().substr(0, names.back().size() - 3);
      auto& list = values.insert({name, po::variable_value(std::vector<std::string>(), false)})
                       .first->second.as<std::vector<std::string>>();
      list.push_back(words[i]);
    } else if (i < names.size()) {
      values.insert({names[i], po::variable_value(words[i], false)});
    } else {
      return usage_error("unexpected argument '" + words[i] + "'", &verb);
    }
  }
  return {};
}

std::vector<std::string> option_names(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

int dispatch(const Verb& verb, const std::vector<std::string>& words) {
  Globals globals;
  globals.json = std::find(words.begin(), words.end(), "--json") != words.end();
  po::options_description all;
  all.add(global_options()).add(verb.options());
  po::options_description hidden;
  hidden.add_options()("words", po::value<std::vector<std::string>>());
  po::options_description accepted;
  accepted.add(all).add(hidden);
  po::positional_options_description positional;
  positional.add("words", -1);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words)
                  .options(accepted)
                  .positional(positional)
                  .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::unknown_option& failure) {
    return report(globals, usage_error("unknown option '" + failure.get_option_name() + "'" +
                                           did_you_mean(failure.get_option_name(), option_names(all)),
                                       &verb));
  } catch (const po::error& failure) {
    return report(globals, usage_error(failure.what(), &verb));
  }
  if (Result<void> ok = read_globals(values, globals); !ok) return report(globals, ok.error());
  if (values.count("help") != 0) {
    print(verb_help(verb));
    return kDone;
  }
  if (Result<void> ok = place_positionals(verb, get<std::vector<std::string>>(values, "words"), values); !ok)
    return report(globals, ok.error());
  return verb.run(globals, values);
}

int start(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h") {
    print(general_help());
    return words.empty() ? kUsage : kDone;
  }
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  Globals plain;
  plain.json = json;
  if (std::find(words.begin(), words.end(), "--version") != words.end() &&
      (words[0] == "--version" || words[0] == "--json")) {
    const Json versions = Json::parse(versions_json());
    if (json) {
      print(versions_json() + "\n");
      return kDone;
    }
    std::string text = "assay " + program_version();
    for (const auto& [key, value] : versions.items()) {
      if (key != "assay") text += "\n  " + key + " " + value.get<std::string>();
    }
    print(text + "\n");
    return kDone;
  }
  // The verb is the first word that is not a global option or its value.
  std::vector<std::string> rest = words;
  std::size_t at = 0;
  while (at < rest.size() && rest[at].size() > 1 && rest[at][0] == '-') {
    const bool takes_value =
        rest[at] == "--db" || rest[at] == "--color" || rest[at] == "--plugin" || rest[at] == "--data";
    at += takes_value ? 2 : 1;
  }
  if (at >= rest.size()) return report(plain, usage_error("no verb given", nullptr));
  const std::string name = rest[at];
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
  const Verb* verb = find_verb(name);
  if (verb == nullptr) {
    std::vector<std::string> names;
    for (const Verb& known : verbs()) names.emplace_back(known.name);
    return report(plain, usage_error("unknown verb '" + name + "'" + did_you_mean(name, names), nullptr));
  }
  return dispatch(*verb, rest);
}

}  // namespace
}  // namespace assay::host::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit becomes a write error with a sentence
  try {
    return assay::host::cli::start(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "assay: internal error: %s\n", failure.what());
    return assay::host::cli::kDefect;
  }
}
