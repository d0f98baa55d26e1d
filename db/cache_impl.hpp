// SQL that the questions about stored responses and their removal share.
#pragma once

namespace assay::host {

/// Bytes of a response that are worth counting. length() of a text counts characters, hence the cast.
inline constexpr char kResponseBytes[] =
    "length(CAST(request AS BLOB)) + coalesce(length(CAST(answer AS BLOB)), 0) + coalesce(length(tokens), 0)";

}  // namespace assay::host
