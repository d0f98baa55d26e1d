// Checks of everything that comes back from a plugin. A plugin is a stranger: wrong counts, unset statuses,
// pointers outside the arena, invalid UTF-8, impossible numbers become a status, never a crash and never
// data.
#pragma once

#include <string>

#include "assay/plugin.h"
#include "harness/plugins/instance_call.hpp"

namespace assay::host {

/// Checks one answer and replaces its status by PLUGIN_MISBEHAVING (with a sentence in the arena) if it
/// breaks the contract. `plugin` is named in the sentence. An answer that failed, honestly or not, keeps its
/// status, its provider id and its counts only. Rows are cleared: the host fills them afterwards.
void check_response(const std::string& plugin, const assay_request& request, assay_response& response,
                    Arena& arena);

/// Checks one item of a task; its status becomes PLUGIN_MISBEHAVING when it is unusable. An item whose status
/// is not OK keeps a checked id (or none) and nothing else.
void check_item(const std::string& plugin, assay_item& item, Arena& arena);

/// Checks one score: an unset state, a status without text, a note outside the arena. A score whose status is
/// not OK loses its values. Infinite values stay as they are: the caller counts them as non-finite.
void check_score(const std::string& plugin, assay_score& score, Arena& arena);

/// Writes a status whose sentence lives in the arena.
void put_status(assay_status& status, std::int32_t code, const std::string& text, Arena& arena);

}  // namespace assay::host
