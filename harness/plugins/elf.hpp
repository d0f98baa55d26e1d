// A bounds-checked reader of 64-bit ELF shared objects: what the host learns of a library without loading it.
//
// It follows the same tables as the dynamic loader (program headers, dynamic segment, hash table), so
// stripped libraries read like any other. Every offset of the file is checked before it is followed; no input
// crashes it. Layout: System V ABI (generic, chapters 4 and 5); the GNU hash table: bminor/glibc,
// elf/dl-lookup.c.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::host {

/// The marker symbol assay_abi_<major>_<minor>.
struct AbiMarker {
  std::uint32_t major = 0, minor = 0;
  bool operator==(const AbiMarker&) const = default;
};

/// What a readable shared object says of itself.
struct ElfFacts {
  std::string build_id;              ///< hex digits, empty when there is none
  std::vector<std::string> exports;  ///< defined global and weak dynamic symbols, in table order
  std::vector<std::string> needed;   ///< libraries it asks for (DT_NEEDED)
  std::vector<AbiMarker> abi;        ///< sorted, usually one
  std::uint32_t kinds = 0;           ///< bit (1 << assay_kind) for every kind marker whose value is 1
  bool has_entry = false;            ///< exports assay_plugin_entry
  bool needs_unstable = false;       ///< exports assay_needs_unstable

  [[nodiscard]] bool has_kind(int kind) const { return (kinds >> static_cast<unsigned>(kind) & 1U) != 0; }
};

enum class ElfVerdict {
  kOk,
  kNotElf,        ///< does not begin like an ELF file
  kNotShared,     ///< an ELF file, but not a shared object
  kWrongMachine,  ///< 32 bits, other byte order, other processor
  kDamaged,       ///< a table lies outside the file or contradicts another
};

struct ElfReading {
  ElfVerdict verdict = ElfVerdict::kOk;
  std::string reason;  ///< a clause that continues "the file ...", when the verdict is not kOk
  ElfFacts facts;      ///< complete only when the verdict is kOk
};

/// Reads a whole file's bytes. Never throws but for lack of memory. Pure function.
ElfReading read_elf(std::string_view bytes);

}  // namespace assay::host
