// One answer of a recording, without the host.
#pragma once

#include "plugins/models/replay/recording.hpp"
#include "tests/support/arena.hpp"

namespace assay::replay_test {

struct Answer {
  Result<void> done;
  assay_response raw;
  [[nodiscard]] ResponseView view() const { return ResponseView(&raw); }
};

/// The answer lies in the arena.
inline Answer ask(const replay::Recording& recording, const assay_request& what, const test::Arena& arena) {
  Answer answer{{}, test::empty_response()};
  ResponseWriter writer(answer.raw, arena.call());
  answer.done = recording.answer(what, writer);
  if (answer.done) writer.finish();
  return answer;
}

}  // namespace assay::replay_test
