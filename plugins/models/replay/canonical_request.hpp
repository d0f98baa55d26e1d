// The identity of a request for recordings with key_mode "request".
#pragma once

#include <string>

#include "assay/sdk/model.hpp"

namespace assay::replay {

/// The canonical text of a request: the host's canonical request JSON (harness/run/request.hpp, the form that
/// is not keyed by item) without `want`. One object with sorted keys, UTF-8, no white space, shortest
/// round-trip numbers; members in this order, each left out where the note says so:
///
///   continuation  text; when empty        flags      ASSAY_REQ_* bits; when 0
///   join          1: separate; when 0     kind       generate, score, rows, classify, embed
///   max_tokens    GENERATE only           messages   [{"content","role"}]; when there are none
///   min_p         when 0                  n          number of samples; when at most 1
///   prompt        text, always            repeat     when 0
///   seed          as text; when 0         stop       list of texts; when empty
///   temperature   GENERATE only           top_k      when 0
///   top_p         when 0 or 1
///
/// Task, item, variant, name, role and label only address an answer, and `want` says what of it is looked at:
/// a recording serves whichever statistics it holds. In texts `"` and `\` are escaped, control characters
/// as \n, \t, \r or \u00xx, nothing else.
std::string canonical_request(const assay_request& request);

/// SHA-256 of canonical_request() as 64 lower-case hex digits.
std::string request_digest(const assay_request& request);

}  // namespace assay::replay
