// Distributions of several models at the same positions, mixed into one.
//
// Members answer one after the other, so only the sum over the members asked so far is kept per position; a
// window bounds how many positions are held. Thread rule: a Mixer belongs to one call.
#pragma once

#include <cstdint>
#include <vector>

#include "assay/sdk/models.hpp"
#include "assay/sdk/token_stats.hpp"

namespace assay::ensemble {

enum class Combine : std::uint8_t {
  kMean,       ///< mean of the members' probabilities
  kGeometric,  ///< mean of their log-probabilities, renormalised
};

/// One position of the mixture.
struct MixedRow {
  std::vector<double> values;                ///< over the vocabulary, in `form`
  int form = ASSAY_ROW_PROBABILITIES;        ///< an assay_row_form; a single member's row keeps its own
  std::int32_t target = -1;                  ///< the token that follows, -1: none
  double aleatoric = 0;                      ///< mean of the members' entropies, in nats
  std::vector<std::vector<double>> members;  ///< probabilities of each member, when they are kept
};

struct Window {
  std::vector<MixedRow> rows;
  bool more = false;  ///< positions follow behind the window
};

class Mixer {
 public:
  /// `window`: positions held at a time; 0: as many as fit in kWindowBytes.
  Mixer(std::vector<ModelRef> members, Combine combine, std::size_t window)
      : members_(std::move(members)), combine_(combine), window_(window) {}

  /// Positions `first`, first + 1, ... of a ROWS request, mixed. Errors: that of the first member that fails,
  /// with its number; kInternal when members disagree about tokens, positions or vocabulary; kData for an
  /// impossible row, and when no token is possible for all members (geometric).
  Result<Window> collect(const assay_request& request, std::size_t first, bool keep_members,
                         const Call& call) const;
  /// The distribution behind the last token of the request's texts (INCLUDE_LAST is set here).
  Result<MixedRow> last(assay_request request, const Call& call) const;

  [[nodiscard]] std::size_t size() const { return members_.size(); }

  static constexpr std::size_t kWindowBytes = std::size_t{256} << 20U;

 private:
  Result<void> ask(std::size_t member, const assay_request& request, const Call& call,
                   const ModelRef::RowVisitor& visit) const;
  Result<void> add(MixedRow& into, std::size_t member, const assay_row& row, bool keep, bool entropy) const;
  Result<void> finish(MixedRow& row) const;

  std::vector<ModelRef> members_;
  Combine combine_;
  std::size_t window_;
};

}  // namespace assay::ensemble
