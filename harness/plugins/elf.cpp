#include "harness/plugins/elf.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "assay/plugin.h"
#include "harness/base/strings.hpp"

namespace assay::host {
namespace {

constexpr std::uint64_t kSymbolsMax = 4'000'000;
constexpr std::size_t kNameBytesMax = 16'384;
constexpr std::uint64_t kDynamicEntriesMax = 4096;

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kMachine = EM_RISCV;
#else
#error "unknown processor: add its ELF machine number"
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
constexpr unsigned char kByteOrder = ELFDATA2LSB;
#else
constexpr unsigned char kByteOrder = ELFDATA2MSB;
#endif

// The addresses and sizes of the dynamic segment that matter here; 0 is "not given".
struct DynamicTables {
  std::uint64_t symbols = 0, symbol_size = 0, strings = 0, strings_size = 0, hash = 0, gnu_hash = 0;
  std::vector<std::uint64_t> needed;
};

class ElfImage {
 public:
  explicit ElfImage(std::string_view bytes) : bytes_(bytes) {}

  ElfReading read() {
    if (identify() && program_headers() && section_headers() && dynamic_segment() && symbols()) notes();
    return std::move(reading_);
  }

 private:
  bool fail(ElfVerdict verdict, std::string reason) {
    reading_.verdict = verdict;
    reading_.reason = std::move(reason);
    return false;
  }
  bool damaged(std::string reason) { return fail(ElfVerdict::kDamaged, std::move(reason)); }

  [[nodiscard]] bool inside(std::uint64_t offset, std::uint64_t size) const {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  }
  template <class T>
  [[nodiscard]] std::optional<T> at(std::uint64_t offset) const {
    if (!inside(offset, sizeof(T))) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  // The file offset of `size` bytes at a virtual address, if one loadable segment holds them all.
  [[nodiscard]] std::optional<std::uint64_t> offset_of(std::uint64_t address, std::uint64_t size) const {
    for (const Elf64_Phdr& segment : loads_) {
      if (address < segment.p_vaddr) continue;
      const std::uint64_t into = address - segment.p_vaddr;
      if (into > segment.p_filesz || size > segment.p_filesz - into) continue;
      return segment.p_offset + into;
    }
    return std::nullopt;
  }
  template <class T>
  [[nodiscard]] std::optional<T> at_address(std::uint64_t address) const {
    const auto offset = offset_of(address, sizeof(T));
    return offset ? at<T>(*offset) : std::nullopt;
  }
  // A NUL-terminated name of the dynamic string table.
  [[nodiscard]] std::optional<std::string_view> name(std::uint64_t index) const {
    if (index >= strings_.size()) return std::nullopt;
    const std::string_view rest = strings_.substr(index, kNameBytesMax);
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    return rest.substr(0, end);
  }

  bool identify();
  bool program_headers();
  bool section_headers();
  bool dynamic_segment();
  bool symbols();
  [[nodiscard]] std::optional<std::uint64_t> symbol_count() const;
  [[nodiscard]] std::optional<std::uint64_t> gnu_symbol_count() const;
  void take_symbol(const Elf64_Sym& symbol, std::string_view symbol_name);
  void notes();

  std::string_view bytes_;
  ElfReading reading_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_, loads_;
  DynamicTables tables_;
  std::string_view strings_;
};

bool ElfImage::identify() {
  const std::string_view magic(ELFMAG, SELFMAG);
  if (bytes_.empty()) return damaged("is empty");
  if (bytes_.substr(0, SELFMAG) != magic.substr(0, std::min<std::size_t>(bytes_.size(), SELFMAG))) {
    return fail(ElfVerdict::kNotElf, "is not a shared library (it does not begin with the ELF signature)");
  }
  const auto header = at<Elf64_Ehdr>(0);
  if (!header)
    return damaged("ends inside the ELF header: it has only " + std::to_string(bytes_.size()) + " bytes");
  header_ = *header;
  if (header_.e_ident[EI_CLASS] != ELFCLASS64) {
    return fail(ElfVerdict::kWrongMachine, "is not a 64-bit library (ELF class " +
                                               std::to_string(header_.e_ident[EI_CLASS]) + ", expected 2)");
  }
  if (header_.e_ident[EI_DATA] != kByteOrder) {
    return fail(ElfVerdict::kWrongMachine, "has another byte order than this machine");
  }
  if (header_.e_machine != kMachine) {
    return fail(ElfVerdict::kWrongMachine, "was built for another processor (ELF machine " +
                                               std::to_string(header_.e_machine) + ", this program runs on " +
                                               std::to_string(kMachine) + ")");
  }
  if (header_.e_ident[EI_VERSION] != EV_CURRENT || header_.e_version != EV_CURRENT) {
    return damaged("names an unknown ELF version");
  }
  if (header_.e_type != ET_DYN) {
    return fail(ElfVerdict::kNotShared, "is an ELF file but not a shared library (ELF type " +
                                            std::to_string(header_.e_type) + ", expected 3)");
  }
  return true;
}

bool ElfImage::program_headers() {
  if (header_.e_phentsize != sizeof(Elf64_Phdr) || header_.e_phnum == 0 || header_.e_phnum == PN_XNUM) {
    return damaged("has no usable program headers");
  }
  for (std::uint64_t i = 0; i < header_.e_phnum; ++i) {
    const std::uint64_t step = i * sizeof(Elf64_Phdr);
    const auto segment =
        header_.e_phoff <= bytes_.size() ? at<Elf64_Phdr>(header_.e_phoff + step) : std::nullopt;
    if (!segment) return damaged("ends before its program headers: it is truncated");
    if (!inside(segment->p_offset, segment->p_filesz)) {
      return damaged("ends before its segment " + std::to_string(i) + ": it is truncated");
    }
    segments_.push_back(*segment);
    if (segment->p_type != PT_LOAD) continue;
    if (segment->p_memsz < segment->p_filesz ||
        segment->p_vaddr > std::numeric_limits<std::uint64_t>::max() - segment->p_memsz) {
      return damaged("has an impossible segment " + std::to_string(i));
    }
    loads_.push_back(*segment);
  }
  return true;
}

// Section headers are not needed to load a library, but they stand at its end: a truncated copy shows here.
bool ElfImage::section_headers() {
  if (header_.e_shoff == 0) return true;
  if (header_.e_shentsize != sizeof(Elf64_Shdr)) return damaged("has section headers of an unknown size");
  const auto first = at<Elf64_Shdr>(header_.e_shoff);
  if (!first) return damaged("ends before its section headers: it is truncated");
  const std::uint64_t count = header_.e_shnum != 0 ? header_.e_shnum : first->sh_size;
  if (count > bytes_.size() / sizeof(Elf64_Shdr) || !inside(header_.e_shoff, count * sizeof(Elf64_Shdr))) {
    return damaged("ends before its section headers: it is truncated");
  }
  for (std::uint64_t i = 1; i < count; ++i) {
    const auto section = at<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section || (section->sh_type != SHT_NOBITS && !inside(section->sh_offset, section->sh_size))) {
      return damaged("ends before its section " + std::to_string(i) + ": it is truncated");
    }
  }
  return true;
}

bool ElfImage::dynamic_segment() {
  const auto dynamic = std::find_if(segments_.begin(), segments_.end(),
                                    [](const Elf64_Phdr& segment) { return segment.p_type == PT_DYNAMIC; });
  if (dynamic == segments_.end()) return damaged("has no dynamic segment");
  const std::uint64_t count =
      std::min<std::uint64_t>(dynamic->p_filesz / sizeof(Elf64_Dyn), kDynamicEntriesMax);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto entry = at<Elf64_Dyn>(dynamic->p_offset + i * sizeof(Elf64_Dyn));
    if (!entry || entry->d_tag == DT_NULL) break;
    const std::uint64_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_SYMTAB:
        tables_.symbols = value;
        break;
      case DT_SYMENT:
        tables_.symbol_size = value;
        break;
      case DT_STRTAB:
        tables_.strings = value;
        break;
      case DT_STRSZ:
        tables_.strings_size = value;
        break;
      case DT_HASH:
        tables_.hash = value;
        break;
      case DT_GNU_HASH:
        tables_.gnu_hash = value;
        break;
      case DT_NEEDED:
        tables_.needed.push_back(value);
        break;
      default:
        break;
    }
  }
  if (tables_.symbols == 0 || tables_.strings == 0) return damaged("has no dynamic symbol table");
  if (tables_.symbol_size != sizeof(Elf64_Sym)) return damaged("has dynamic symbols of an unknown size");
  const auto offset = offset_of(tables_.strings, tables_.strings_size);
  if (!offset || !inside(*offset, tables_.strings_size))
    return damaged("has its symbol names outside the file");
  strings_ = bytes_.substr(*offset, tables_.strings_size);
  for (const std::uint64_t index : tables_.needed) {
    const auto needed = name(index);
    if (!needed) return damaged("names a needed library outside its string table");
    reading_.facts.needed.emplace_back(printable(*needed));
  }
  return true;
}

// The GNU hash table has no count: it is one more than the end of the chain that begins last.
std::optional<std::uint64_t> ElfImage::gnu_symbol_count() const {
  const std::uint64_t table = tables_.gnu_hash;
  const auto buckets = at_address<std::uint32_t>(table);
  const auto first = at_address<std::uint32_t>(table + 4);
  const auto bloom = at_address<std::uint32_t>(table + 8);
  if (!buckets || !first || !bloom || *buckets > kSymbolsMax || *bloom > kSymbolsMax) return std::nullopt;
  const std::uint64_t bucket_base = table + 16 + std::uint64_t{*bloom} * 8;
  const std::uint64_t chain_base = bucket_base + std::uint64_t{*buckets} * 4;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < *buckets; ++i) {
    const auto start = at_address<std::uint32_t>(bucket_base + i * 4);
    if (!start) return std::nullopt;
    last = std::max<std::uint64_t>(last, *start);
  }
  if (last == 0) return *first;  // every bucket is empty: nothing is exported
  if (last < *first) return std::nullopt;
  for (; last < kSymbolsMax; ++last) {
    const auto hash = at_address<std::uint32_t>(chain_base + (last - *first) * 4);
    if (!hash) return std::nullopt;
    if ((*hash & 1U) != 0) return last + 1;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ElfImage::symbol_count() const {
  if (tables_.hash != 0) {
    const auto count = at_address<std::uint32_t>(tables_.hash + 4);
    return count && *count <= kSymbolsMax ? std::optional<std::uint64_t>(*count) : std::nullopt;
  }
  return tables_.gnu_hash != 0 ? gnu_symbol_count() : std::nullopt;
}

bool ElfImage::symbols() {
  const auto count = symbol_count();
  if (!count) return damaged("has no readable symbol hash table");
  const auto offset = offset_of(tables_.symbols, *count * sizeof(Elf64_Sym));
  if (!offset || !inside(*offset, *count * sizeof(Elf64_Sym))) {
    return damaged("has its dynamic symbols outside the file");
  }
  for (std::uint64_t i = 1; i < *count; ++i) {
    const auto symbol = at<Elf64_Sym>(*offset + i * sizeof(Elf64_Sym));
    if (!symbol || symbol->st_shndx == SHN_UNDEF) continue;
    const unsigned bind = ELF64_ST_BIND(symbol->st_info);
    if (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE) continue;
    const auto symbol_name = name(symbol->st_name);
    if (!symbol_name) return damaged("has a symbol name outside its string table");
    take_symbol(*symbol, *symbol_name);
  }
  std::sort(reading_.facts.abi.begin(), reading_.facts.abi.end(), [](const AbiMarker& a, const AbiMarker& b) {
    return a.major != b.major ? a.major < b.major : a.minor < b.minor;
  });
  return true;
}

std::optional<AbiMarker> abi_marker(std::string_view name) {
  constexpr std::string_view kPrefix = "assay_abi_";
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::string_view numbers = name.substr(kPrefix.size());
  const std::size_t middle = numbers.find('_');
  if (middle == std::string_view::npos) return std::nullopt;
  const auto major = parse_int(numbers.substr(0, middle));
  const auto minor = parse_int(numbers.substr(middle + 1));
  constexpr std::int64_t kMax = 1'000'000;
  if (!major || !minor || *major < 0 || *minor < 0 || *major > kMax || *minor > kMax) return std::nullopt;
  return AbiMarker{static_cast<std::uint32_t>(*major), static_cast<std::uint32_t>(*minor)};
}

void ElfImage::take_symbol(const Elf64_Sym& symbol, std::string_view symbol_name) {
  ElfFacts& facts = reading_.facts;
  facts.exports.push_back(printable(symbol_name, kNameBytesMax));
  const bool data = ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT && symbol.st_size >= 4;
  if (!data) return;
  if (symbol_name == "assay_plugin_entry") facts.has_entry = true;
  if (symbol_name == "assay_needs_unstable") facts.needs_unstable = true;
  if (const auto marker = abi_marker(symbol_name)) facts.abi.push_back(*marker);
  constexpr std::pair<std::string_view, int> kKinds[] = {{"assay_kind_model", ASSAY_MODEL},
                                                         {"assay_kind_task", ASSAY_TASK},
                                                         {"assay_kind_metric", ASSAY_METRIC}};
  for (const auto& [marker, kind] : kKinds) {
    if (symbol_name != marker) continue;
    // A value outside the file's bytes is zero-initialised memory, that is 0.
    if (at_address<std::uint32_t>(symbol.st_value).value_or(0) == 1)
      facts.kinds |= 1U << static_cast<unsigned>(kind);
  }
}

// The build id is a comfort: notes that cannot be read leave it empty.
void ElfImage::notes() {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_NOTE) continue;
    std::uint64_t offset = segment.p_offset;
    const std::uint64_t end = segment.p_offset + segment.p_filesz;  // checked in program_headers()
    while (offset + sizeof(Elf64_Nhdr) <= end) {
      const auto note = at<Elf64_Nhdr>(offset);
      if (!note) return;
      const std::uint64_t body = offset + sizeof(Elf64_Nhdr) + (std::uint64_t{note->n_namesz} + 3) / 4 * 4;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && note->n_descsz <= 64 &&
          body + note->n_descsz <= end && bytes_.substr(offset + sizeof(Elf64_Nhdr), 3) == "GNU") {
        for (const char c : bytes_.substr(body, note->n_descsz)) {
          const auto byte = static_cast<unsigned char>(c);
          reading_.facts.build_id += kDigits[byte >> 4U];
          reading_.facts.build_id += kDigits[byte & 15U];
        }
        return;
      }
      offset = body + (std::uint64_t{note->n_descsz} + 3) / 4 * 4;
    }
  }
}

}  // namespace

ElfReading read_elf(std::string_view bytes) {
  return ElfImage(bytes).read();
}

}  // namespace assay::host
