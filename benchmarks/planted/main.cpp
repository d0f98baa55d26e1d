// assay-planted NAME --seed N [--key value]... --out DIR: writes a planted-truth world. Exit codes: 0 done, 2
// wrong arguments, 1 the files cannot be written.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "benchmarks/planted/world.hpp"
#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"

namespace {

using assay::planted::Parameters;

struct Command {
  std::string world;
  std::uint64_t seed = 0;
  std::filesystem::path out;
  Parameters parameters;
};

assay::Error usage(const std::string& sentence) {
  return assay::Error{assay::Code::kInvalidArgument,
                      sentence + "\nusage: assay-planted NAME --seed N [--key value]... --out DIR\nworlds: " +
                          assay::host::join(assay::planted::world_names(), ", "),
                      {}};
}

assay::Result<Command> parse(const std::vector<std::string>& arguments) {
  Command out;
  if (arguments.empty() || arguments.front().substr(0, 2) == "--")
    return usage("the world's name is missing");
  out.world = arguments.front();
  bool seeded = false;
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    const std::string& key = arguments[i];
    if (key.substr(0, 2) != "--" || key.size() == 2)
      return usage("'" + assay::host::printable(key) + "' is not an option; options look like --seed 1");
    if (i + 1 == arguments.size()) return usage(key + " has no value");
    const std::string& value = arguments[i + 1];
    if (key == "--seed") {
      const auto number = assay::host::parse_int(value);
      if (!number || *number < 0)
        return usage("--seed '" + assay::host::printable(value) + "' must be a whole number of at least 0");
      out.seed = static_cast<std::uint64_t>(*number);
      seeded = true;
    } else if (key == "--out") {
      out.out = value;
    } else if (!out.parameters.emplace(key.substr(2), value).second) {
      return usage(key + " is given twice");
    }
  }
  if (!seeded) return usage("--seed is missing");
  if (out.out.empty()) return usage("--out is missing");
  return out;
}

int run(const std::vector<std::string>& arguments) {
  const auto fail = [](const assay::Error& error, int code) {
    std::fprintf(stderr, "assay-planted: %s\n", error.text.c_str());
    return code;
  };
  const auto command = parse(arguments);
  if (!command) return fail(command.error(), 2);
  const auto world = assay::planted::make_world(command->world, command->seed, command->parameters);
  if (!world) return fail(world.error(), 2);
  for (const assay::planted::File& file : *world) {
    const auto written = assay::host::write_file(command->out / file.name, file.bytes);
    if (!written) return fail(written.error(), 1);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "assay-planted: %s\n", error.what());
    return 1;
  }
}
