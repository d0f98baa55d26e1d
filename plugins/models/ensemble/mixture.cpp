#include "mixture.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace assay::ensemble {
namespace {

std::string member_name(std::size_t member) {
  return "member " + std::to_string(member + 1);
}

Error disagree(std::size_t member, std::size_t position, const std::string& what) {
  return Error{Code::kInternal,
               member_name(member) + " and member 1 " + what + " at position " + std::to_string(position) +
                   ", although their tokenizers are the same",
               {}};
}

}  // namespace

Result<void> Mixer::ask(std::size_t member, const assay_request& request, const Call& call,
                        const ModelRef::RowVisitor& visit) const {
  assay_response response{};
  auto ran = members_[member].run({&request, 1}, {&response, 1}, call, visit);
  if (!ran) return std::move(ran).error().within(member_name(member));
  if (response.status.code == ASSAY_OK) return {};
  return Error{static_cast<Code>(response.status.code),
               member_name(member) + ": " + std::string(view(response.status.message)),
               {}};
}

Result<void> Mixer::add(MixedRow& into, std::size_t member, const assay_row& row, bool keep,
                        bool entropy) const {
  return with_row(row, [&](auto values) -> Result<void> {
    if (entropy) {
      const auto stats = token_stats(values, row.form, -1, kTokenMoments);
      if (!stats) return stats.error();
      into.aleatoric += stats->entropy;
    }
    if (keep) {
      into.members.emplace_back();
      if (auto done = row_probabilities(values, row.form, into.members.back()); !done) return done;
    }
    if (members_.size() == 1) {  // the ensemble is its member, to the last bit
      into.values.assign(values.begin(), values.end());
      into.form = row.form;
      return {};
    }
    std::vector<double> mixed;
    auto done = combine_ == Combine::kMean ? row_probabilities(values, row.form, mixed)
                                           : row_logprobs(values, row.form, mixed);
    if (!done) return done;
    if (member == 0) {
      into.values = std::move(mixed);
      return {};
    }
    for (std::size_t i = 0; i < mixed.size(); ++i) into.values[i] += mixed[i];
    return {};
  });
}

Result<void> Mixer::finish(MixedRow& row) const {
  const auto count = static_cast<double>(members_.size());
  row.aleatoric /= count;
  if (members_.size() == 1) return {};
  for (double& value : row.values) value /= count;
  if (combine_ == Combine::kMean) return {};
  row.form = ASSAY_ROW_LOGITS;
  if (*std::max_element(row.values.begin(), row.values.end()) > -std::numeric_limits<double>::infinity())
    return {};
  return Error{
      Code::kData,
      "no token is possible for all members, so that the geometric mean of their distributions does not "
      "exist; use combine=mean",
      {}};
}

Result<Window> Mixer::collect(const assay_request& request, std::size_t first, bool keep_members,
                              const Call& call) const {
  Window window;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    std::size_t seen = 0;
    Result<void> trouble;
    const auto visit = [&](std::size_t, const assay_row& row) {
      if (row.member != -1 || row.position < static_cast<std::int64_t>(first)) return true;
      const auto at = static_cast<std::size_t>(row.position) - first;
      const std::size_t per_row = (keep_members ? members_.size() + 1 : 1) * sizeof(double) *
                                  std::max<std::size_t>(row.vocabulary, 1);
      const std::size_t limit = window_ != 0 ? window_ : std::max<std::size_t>(kWindowBytes / per_row, 1);
      if (at >= limit) {
        window.more = true;
        return false;
      }
      if (m == 0 && at == window.rows.size()) {
        window.rows.emplace_back();
        window.rows.back().target = row.target;
      }
      if (at != seen || at >= window.rows.size()) {
        trouble = disagree(m, first + at, "do not have the same positions");
      } else if (row.target != window.rows[at].target) {
        trouble = disagree(m, first + at, "see different tokens");
      } else if (m != 0 && row.vocabulary != window.rows[at].values.size()) {
        trouble = disagree(m, first + at, "have vocabularies of different sizes");
      } else {
        trouble = add(window.rows[at], m, row, keep_members, true);
        if (!trouble) trouble = std::move(trouble).error().within(member_name(m));
      }
      ++seen;
      return trouble.ok() && !call.cancelled();
    };
    if (auto asked = ask(m, request, call, visit); !asked) return std::move(asked).error();
    if (!trouble) return std::move(trouble).error();
    if (call.cancelled()) return Error{Code::kCancelled, "the request was stopped", {}};
    if (seen != window.rows.size()) return disagree(m, first + seen, "do not have the same positions");
  }
  for (MixedRow& row : window.rows) {
    if (auto done = finish(row); !done) return std::move(done).error();
  }
  return window;
}

Result<MixedRow> Mixer::last(assay_request request, const Call& call) const {
  request.flags = ASSAY_REQ_INCLUDE_LAST;
  MixedRow mixed;
  std::vector<double> copy;
  for (std::size_t m = 0; m < members_.size(); ++m) {
    // Of the rows without a target the last one counts: words outside a vocabulary have none either.
    assay_row found{};
    Result<void> trouble;
    const auto visit = [&](std::size_t, const assay_row& row) {
      if (row.member != -1 || row.target != -1) return !call.cancelled();
      found = row;
      trouble = with_row(row, [&](auto values) -> Result<void> {
        copy.assign(values.begin(), values.end());
        return {};
      });
      return trouble.ok() && !call.cancelled();
    };
    if (auto asked = ask(m, request, call, visit); !asked) return std::move(asked).error();
    if (call.cancelled()) return Error{Code::kCancelled, "the request was stopped", {}};
    if (trouble && found.struct_size == 0) {
      return Error{Code::kInternal, member_name(m) + " gave no distribution behind the last token", {}};
    }
    if (trouble && m != 0 && copy.size() != mixed.values.size()) {
      return disagree(m, static_cast<std::size_t>(found.position), "have vocabularies of different sizes");
    }
    found.dtype = ASSAY_F64;
    found.data = copy.data();
    if (trouble) trouble = add(mixed, m, found, false, false);
    if (!trouble) return std::move(trouble).error().within(member_name(m));
  }
  if (auto done = finish(mixed); !done) return std::move(done).error();
  return mixed;
}

}  // namespace assay::ensemble
