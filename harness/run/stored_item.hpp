// Items as they are kept in the database, so that an answered item can be scored again without its task.
#pragma once

#include <string>
#include <string_view>

#include "assay/plugin.h"
#include "assay/sdk/result.hpp"
#include "harness/plugins/instance_call.hpp"

namespace assay::host {

/// The item as JSON: id, variant, group, label, text, targets, fields, and of its requests what the stored
/// request does not say (name, role, label). Numbers of fields survive bit for bit. Appends to `out`.
void append_item_json(const assay_item& item, std::string& out);

/// The inverse: everything lies in `arena`. The item's requests hold name, role and label only; the rest of
/// them is stored with the responses. kData with the reason for foreign bytes. Any thread.
Result<void> restore_item(std::string_view body, Arena& arena, assay_item& out);

/// First 8 bytes of the hash over what the item says and asks: equal ids with other contents are found by it.
std::uint64_t content_hash(const assay_item& item);

}  // namespace assay::host
