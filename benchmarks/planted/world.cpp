#include "benchmarks/planted/world.hpp"

#include <algorithm>

#include "benchmarks/planted/makers.hpp"
#include "harness/base/strings.hpp"

namespace assay::planted {
namespace {

/// A parameter of a world and its range.
struct Known {
  const char* key;
  std::int64_t standard, least, most;
};

/// Reads the parameters of one world; every key must be known.
class Reader {
 public:
  Reader(const std::string& world, const Parameters& given, std::vector<Known> known)
      : world_(world), given_(given), known_(std::move(known)) {}

  Result<std::map<std::string, std::uint64_t>> read() const {
    std::vector<std::string> keys;
    for (const Known& one : known_) keys.emplace_back(one.key);
    for (const auto& [key, value] : given_)
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        return Error{Code::kInvalidArgument,
                     "the world '" + world_ + "' has no parameter '" + host::printable(key) + "'" +
                         host::did_you_mean(key, keys) + "; it has " + host::join(keys, ", "),
                     key};
    std::map<std::string, std::uint64_t> out;
    for (const Known& one : known_) {
      std::int64_t value = one.standard;
      if (const auto at = given_.find(one.key); at != given_.end()) {
        const auto number = host::parse_int(at->second);
        if (!number || *number < one.least || *number > one.most)
          return Error{Code::kInvalidArgument,
                       "--" + std::string(one.key) + " '" + host::printable(at->second) +
                           "' must be a whole number from " + std::to_string(one.least) + " to " +
                           std::to_string(one.most),
                       one.key};
        value = *number;
      }
      out[one.key] = static_cast<std::uint64_t>(value);
    }
    return out;
  }

 private:
  std::string world_;
  const Parameters& given_;
  std::vector<Known> known_;
};

}  // namespace

const std::vector<std::string>& world_names() {
  static const std::vector<std::string> names = {"mia", "detection", "unlearning", "biographies",
                                                 "organisms"};
  return names;
}

Result<World> make_world(const std::string& name, std::uint64_t seed, const Parameters& parameters) {
  if (name == "mia") {
    auto values = Reader(name, parameters, {{"background", 1500, 1, 100'000}, {"pairs", 60, 1, 1000}}).read();
    if (!values) return std::move(values).error();
    return make_membership(seed, values->at("background"), values->at("pairs"));
  }
  if (name == "detection") {
    auto values = Reader(name, parameters,
                         {{"source", 1500, 1, 100'000}, {"pairs", 200, 1, 100'000}, {"nucleus", 90, 1, 100}})
                      .read();
    if (!values) return std::move(values).error();
    return make_detection(seed, values->at("source"), values->at("pairs"), values->at("nucleus"));
  }
  if (name == "unlearning") {
    auto values =
        Reader(name, parameters, {{"forget", 5, 1, 1000}, {"retain", 15, 1, 1000}, {"holdout", 5, 1, 1000}})
            .read();
    if (!values) return std::move(values).error();
    return make_unlearning(seed, values->at("forget"), values->at("retain"), values->at("holdout"));
  }
  if (name == "biographies") {
    auto values = Reader(name, parameters, {{"persons", 600, 15, 60'000}}).read();
    if (!values) return std::move(values).error();
    const std::uint64_t persons = values->at("persons");
    if (persons % 15 != 0)
      return Error{Code::kInvalidArgument,
                   "--persons " + std::to_string(persons) +
                       " must be a multiple of 15, so that the exposure groups keep their shares",
                   "persons"};
    return make_biographies(seed, persons);
  }
  if (name == "organisms") {
    // 2400 full names exist; the caps leave most of them free.
    auto values = Reader(name, parameters,
                         {{"forget", 20, 1, 400},
                          {"retain", 180, 1, 400},
                          {"holdout", 100, 1, 400},
                          {"fresh", 200, 1, 400},
                          {"traps", 40, 1, 1000}})
                      .read();
    if (!values) return std::move(values).error();
    return make_organisms(seed, {values->at("forget"), values->at("retain"), values->at("holdout"),
                                 values->at("fresh"), values->at("traps")});
  }
  return Error{Code::kInvalidArgument,
               "there is no world '" + host::printable(name) + "'" + host::did_you_mean(name, world_names()) +
                   "; the worlds are " + host::join(world_names(), ", "),
               name};
}

}  // namespace assay::planted
