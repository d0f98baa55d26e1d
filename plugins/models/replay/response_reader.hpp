// Turns one recorded JSON object into a response.
#pragma once

#include <string_view>

#include "assay/sdk/model.hpp"

namespace assay::replay {

/// Fields of a record beside "key" and "run" (all optional, unknown ones are ignored):
///
///   text            the generated text, or
///   choices         one entry per sample: a string, or an object with the fields of this list
///   finish_reason   (or finish) stop, length, content_filter (or filter); anything else: unknown
///   tokens          ids (numbers) or pieces (strings) of the tokens
///   begin, end      byte spans of the tokens
///   logprobs, ranks, rank_ties, entropy, mu, var, top1, max_logprob, uniform_mu, uniform_var
///                   statistics of the tokens (assay_stat 0..9); null: not scored
///   token_flags, vocabulary   as in assay_tokens
///   mean_logprob, scored_count (or scored)   aggregates, for recordings that hold no token values
///   values          class scores or an embedding
///   series          {name: [numbers]}
///   usage           {prompt_tokens, completion_tokens}
///   meta            anything; not read
///
/// Arrays of one object must be equally long. A log-probability above 1e-6 is an error, not data.
/// `readable` counts the bytes that may be read from line.data() on (simdjson needs a few behind the line).
/// Errors: kData malformed, kUnsupported what the kind needs is absent, kNotFound fewer samples than wanted.
Result<void> read_response(std::string_view line, std::size_t readable, const assay_request& request,
                           ResponseWriter& out);

}  // namespace assay::replay
