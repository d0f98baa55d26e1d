// `assay help [VERB]`.
#include "harness/base/strings.hpp"
#include "harness/cli/common.hpp"

namespace assay::host::cli {

int help_verb(const Globals& globals, const po::variables_map& values) {
  const std::string name = get<std::string>(values, "verb");
  if (name.empty()) {
    print(general_help());
    return kDone;
  }
  if (const Verb* verb = find_verb(name)) {
    print(verb_help(*verb));
    return kDone;
  }
  std::vector<std::string> names;
  for (const Verb& verb : verbs()) names.emplace_back(verb.name);
  return report(globals,
                {Code::kInvalidArgument, "there is no verb '" + name + "'" + did_you_mean(name, names), {}});
}

}  // namespace assay::host::cli
