// Every limit of the host, in one place. A limit that is hit is named in the message, with its value.
#pragma once

#include <cstddef>
#include <cstdint>

namespace assay::host::limits {

inline constexpr std::size_t kTextBytesMax = std::size_t{64} << 20;  ///< one text from a plugin or a data row
inline constexpr std::size_t kMessageBytesMax = 4096;                ///< one status message
inline constexpr std::size_t kConfigBytesMax = std::size_t{16} << 20;  ///< a suite, policy or registry file
inline constexpr std::size_t kPluginBytesMax = std::size_t{1} << 30;   ///< a plugin library
inline constexpr std::size_t kRequestsPerItemMax = 100'000;
inline constexpr std::size_t kTokensPerResponseMax = std::size_t{16} << 20;
inline constexpr std::size_t kFieldsPerItemMax = 1000;
inline constexpr std::size_t kProblemsMax = 2000;  ///< sentences about bad rows kept of one task
inline constexpr std::size_t kRowBytesMax = std::size_t{64} << 20;  ///< distributions kept of one response
inline constexpr std::size_t kValuesPerMetricMax = 256;
inline constexpr std::size_t kParamsMax = 256;
inline constexpr std::size_t kSlotsMax = 16;
inline constexpr int kModelDepthMax = 4;               ///< wrappers inside wrappers
inline constexpr std::size_t kPoolItems = 2048;        ///< items in flight between fetch and commit
inline constexpr std::size_t kFetchItems = 512;        ///< items asked of a task at once
inline constexpr std::int64_t kCommitPeriodMs = 250;   ///< an item waits at most this long for its commit
inline constexpr std::size_t kCommitItems = 4096;      ///< ... or this many items
inline constexpr int kInfrastructureFailuresMax = 20;  ///< equal consecutive failures that end a run
inline constexpr int kBootstrapReplicates = 2000;      ///< statistics.md 6: the default while running

}  // namespace assay::host::limits
