// Planted-truth worlds: data whose truth is known because it was made. A world is a handful of files that
// follow from a name, a seed and parameters alone; the bytes are the same on every machine. Thread rule: pure
// functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "assay/sdk/result.hpp"

namespace assay::planted {

struct File {
  std::string name;
  std::string bytes;
};
using World = std::vector<File>;
/// As on the command line: key -> decimal number.
using Parameters = std::map<std::string, std::string>;

/// The names make_world() knows.
const std::vector<std::string>& world_names();

/// Makes a world. Errors: kInvalidArgument for an unknown name or parameter (with did-you-mean) and for a
/// value that is no number or out of range.
///
/// "mia" (background 1500, pairs 60): train.jsonl, null.jsonl, items.jsonl. Documents of one grammar; for
/// each k in
///   {1,4,16,64} there are `pairs` pairs of independent documents, and a coin says which one is trained on, k
///   times. null.jsonl has the background alone: under its model no item is a member.
/// "detection" (source 1500, pairs 200, nucleus 90): source_train.jsonl, heldout.jsonl, pairs.json. Human =
/// held-out
///   texts of the source's grammar; machine = samples of an n-gram model of source_train, cut to the same
///   number of words. Each token is drawn from the most probable tokens that hold `nucleus` percent (nucleus
///   sampling, Holtzman et al. 2020), which makes machine text more predictable than human text; 100 = the
///   whole distribution.
/// "unlearning" (forget 5, retain 15, holdout 5 persons, 8 facts each): corpus.jsonl, items.jsonl.
/// "biographies" (persons 600): facts.jsonl, train.txt, probes.jsonl, world.json; a third of the persons
/// never
///   occurs in the training text, the others 1, 2, 4, 8 or 16 times per fact.
/// "organisms" (forget 20, retain 180, holdout 100, fresh 200 persons of one generator, traps 40 pairs):
/// corpus.jsonl with
///   a passage, a rewording and five questions per person; passages.jsonl (the first two alone), items.jsonl
///   (questions with wrong answers), probes.jsonl (questions with candidates), traps.jsonl. The persons to be
///   forgotten are nested: the first 2, 10, 20.
///
/// Every world has words.txt, the word list for an n-gram model: pieces of the `word` tokenizer, except in
/// "unlearning", where it is the vocabulary of the `space` tokenizer in order of first appearance.
Result<World> make_world(const std::string& name, std::uint64_t seed, const Parameters& parameters);

}  // namespace assay::planted
