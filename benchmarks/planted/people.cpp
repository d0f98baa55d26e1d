#include "benchmarks/planted/people.hpp"

#include <set>
#include <utility>

namespace assay::planted {

std::vector<std::string> make_persons(Random& random, const std::vector<std::string>& first,
                                      const std::vector<std::string>& last, std::uint64_t count) {
  std::vector<std::string> out;
  std::set<std::string> used;
  while (out.size() < count) {
    std::string name = random.pick(first) + " " + random.pick(last);
    if (used.insert(name).second) out.push_back(std::move(name));
  }
  return out;
}

std::string filled(std::string pattern, const std::string& person, const std::string& value) {
  pattern.replace(pattern.find("{n}"), 3, person);
  if (const auto at = pattern.find("{v}"); at != std::string::npos) pattern.replace(at, 3, value);
  return pattern;
}

std::vector<std::string> other_values(Random& random, const std::vector<std::string>& pool,
                                      const std::string& gold, std::size_t count) {
  std::vector<std::string> others;
  for (const std::string& value : pool)
    if (value != gold) others.push_back(value);
  random.shuffle(others);
  others.resize(count);
  return others;
}

std::vector<std::string> make_candidates(Random& random, const std::vector<std::string>& pool,
                                         const std::string& gold, std::size_t count) {
  std::vector<std::string> out = other_values(random, pool, gold, count - 1);
  out.push_back(gold);
  random.shuffle(out);
  return out;
}

}  // namespace assay::planted
