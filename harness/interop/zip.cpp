#include "harness/interop/zip.hpp"

#include <zip.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "harness/base/strings.hpp"

namespace assay::host::interop {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kSizeMax = std::uint64_t{2} << 30;
constexpr std::uint64_t kRatioMax = 200;
constexpr std::size_t kChunk = std::size_t{256} << 10;
constexpr std::size_t kHeaderBytes = 30;  // fixed part of a local header
constexpr std::uint16_t kStored = 0, kDeflate = 8, kZstd = 93;
constexpr const char* kWrongCrc = "its checksum (CRC-32) is wrong; the archive is damaged";
constexpr std::string_view kLocalMark("PK\3\4", 4), kDescriptorMark("PK\7\10", 4);

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

Error damage(const std::string& file, const ZipMember& member, const std::string& what) {
  return {Code::kData, "'" + file + "', member '" + printable(member.name) + "': " + what, {}};
}

// Collects the bytes of one member and stops at the size the archive states, so that a lie about the size
// cannot fill the memory.
class Output {
 public:
  explicit Output(std::uint64_t size) : size_(size) {}
  bool add(const char* data, std::size_t count) {
    if (count > size_ - bytes_.size()) return false;
    bytes_.append(data, count);
    return true;
  }
  std::string bytes_;

 private:
  std::uint64_t size_;
};

// Empty text: done. Otherwise what is wrong.
std::string inflate_raw(const std::string& packed, Output& out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return "zlib cannot start";
  std::string chunk(kChunk, '\0');
  std::size_t used = 0;
  int code = Z_OK;
  std::string problem;
  while (problem.empty() && code != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      const std::size_t count = std::min(packed.size() - used, kChunk);
      stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + used));
      stream.avail_in = static_cast<uInt>(count);
      used += count;
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) {
      problem =
          code == Z_BUF_ERROR ? "the compressed bytes end too early" : "the compressed bytes are damaged";
    } else if (!out.add(chunk.data(), chunk.size() - stream.avail_out)) {
      problem = "it is larger than the archive states";
    }
  }
  inflateEnd(&stream);
  return problem;
}

std::string decode_zstd(const std::string& packed, Output& out) {
  const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(),
                                                                          ZSTD_freeDStream);
  if (!stream) return "zstd cannot start";
  std::string chunk(ZSTD_DStreamOutSize(), '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  std::size_t left = packed.empty() ? 0 : 1;
  // One call after another: at the end of a frame the same stream begins the next one.
  while (in.pos < in.size || left != 0) {
    ZSTD_outBuffer result{chunk.data(), chunk.size(), 0};
    const std::size_t before = in.pos;
    left = ZSTD_decompressStream(stream.get(), &result, &in);
    if (ZSTD_isError(left) != 0) {
      return std::string("the zstd data are damaged (") + ZSTD_getErrorName(left) + ")";
    }
    if (!out.add(chunk.data(), result.pos)) return "it is larger than the archive states";
    if (left != 0 && result.pos == 0 && in.pos == before) return "the compressed bytes end too early";
  }
  return {};
}

}  // namespace

struct ZipFile::Impl {
  std::string file;  // for messages
  std::uint64_t bytes = 0;
  std::unique_ptr<zip_t, decltype(&zip_discard)> archive{nullptr, zip_discard};  // null after salvage()
  mutable std::ifstream raw;                                                     // salvage() only
  std::vector<ZipMember> members;

  [[nodiscard]] std::string at(std::uint64_t offset, std::uint64_t count) const {
    std::string bytes_read(offset >= bytes ? 0 : static_cast<std::size_t>(std::min(count, bytes - offset)),
                           '\0');
    raw.clear();
    raw.seekg(static_cast<std::streamoff>(offset));
    raw.read(bytes_read.data(), static_cast<std::streamsize>(bytes_read.size()));
    bytes_read.resize(static_cast<std::size_t>(std::max<std::streamsize>(raw.gcount(), 0)));
    return bytes_read;
  }
  [[nodiscard]] std::uint64_t find(std::string_view mark, std::uint64_t from, std::uint64_t to) const;
  bool describe(ZipMember& member) const;
  [[nodiscard]] Result<std::string> packed_bytes(const ZipMember& member) const;
};

// Offset of the next `mark` in [from, to), or `to`.
std::uint64_t ZipFile::Impl::find(std::string_view mark, std::uint64_t from, std::uint64_t to) const {
  for (std::uint64_t step = 4096; from < to; step = std::min<std::uint64_t>(2 * step, kChunk)) {
    const std::string part = at(from, std::min(step, to - from));
    if (const std::size_t hit = part.find(mark); hit != std::string::npos) return from + hit;
    if (part.size() <= mark.size()) break;
    from += part.size() - (mark.size() - 1);
  }
  return to;
}

// A writer that streams puts size and CRC behind the data. The descriptor is the one whose packed size leads
// back to the beginning of the data. Only the bytes before the next member are searched, so that the time
// stays proportional to the file.
bool ZipFile::Impl::describe(ZipMember& member) const {
  const std::uint64_t end = find(kLocalMark, member.offset, bytes);
  for (std::uint64_t mark = find(kDescriptorMark, member.offset, end); mark < end;
       mark = find(kDescriptorMark, mark + 1, end)) {
    const std::string fields = at(mark, 24);
    for (const std::size_t width : {std::size_t{4}, std::size_t{8}}) {
      if (fields.size() < 8 + 2 * width || little_endian(fields, 8, width) != mark - member.offset) continue;
      member.crc = static_cast<std::uint32_t>(little_endian(fields, 4, 4));
      member.packed = mark - member.offset;
      member.size = little_endian(fields, 8 + width, width);
      return true;
    }
  }
  return false;
}

Result<std::string> ZipFile::Impl::packed_bytes(const ZipMember& member) const {
  if (member.packed > bytes)
    return damage(file, member, "it is larger than the file; the archive is damaged");
  if (!archive) {
    std::string found = at(member.offset, member.packed);
    if (found.size() != member.packed) return damage(file, member, "the file ends inside it");
    return found;
  }
  const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> in(
      zip_fopen_index(archive.get(), member.offset, ZIP_FL_COMPRESSED), zip_fclose);
  if (!in) return damage(file, member, zip_strerror(archive.get()));
  std::string found;
  std::string chunk(kChunk, '\0');
  for (;;) {
    const zip_int64_t count = zip_fread(in.get(), chunk.data(), chunk.size());
    if (count < 0) {
      const bool crc =
          zip_error_code_zip(zip_file_get_error(in.get())) == ZIP_ER_CRC;  // checked for stored members
      return damage(file, member, crc ? kWrongCrc : zip_file_strerror(in.get()));
    }
    if (count == 0) break;
    found.append(chunk, 0, static_cast<std::size_t>(count));
    if (found.size() > member.packed) break;
  }
  if (found.size() != member.packed)
    return damage(file, member, "its length is not the one the directory states");
  return found;
}

ZipFile::ZipFile() : impl_(std::make_unique<Impl>()) {}
ZipFile::~ZipFile() = default;
ZipFile::ZipFile(ZipFile&&) noexcept = default;
ZipFile& ZipFile::operator=(ZipFile&&) noexcept = default;

const std::vector<ZipMember>& ZipFile::members() const {
  return impl_->members;
}

Result<ZipFile> ZipFile::open(const fs::path& path) {
  std::error_code failure;
  if (!fs::exists(path, failure)) return Error{Code::kNotFound, "'" + path.string() + "' does not exist", {}};
  if (!fs::is_regular_file(path, failure)) {
    return Error{Code::kData, "'" + path.string() + "' is not a file; a zip archive was expected", {}};
  }
  ZipFile zip;
  Impl& impl = *zip.impl_;
  impl.file = path.filename().string();
  impl.bytes = fs::file_size(path, failure);
  int code = 0;
  impl.archive.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!impl.archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    return Error{Code::kData,
                 "'" + path.string() + "' has no readable zip directory (" + reason +
                     "); the download or the writer stopped early. Fetch the file again, or read what is "
                     "left of it with --salvage",
                 {}};
  }
  const zip_int64_t count = zip_get_num_entries(impl.archive.get(), 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(std::max<zip_int64_t>(count, 0)); ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(impl.archive.get(), i, 0, &stat) != 0) {
      return Error{Code::kData,
                   "'" + path.string() + "': entry " + std::to_string(i) + " of the zip directory is damaged",
                   {}};
    }
    ZipMember member;
    member.name = stat.name == nullptr ? std::string() : stat.name;
    if (member.name.ends_with('/') && stat.size == 0) continue;  // a folder
    member.offset = i;
    member.packed = stat.comp_size;
    member.size = stat.size;
    member.crc = stat.crc;
    member.method = stat.encryption_method == ZIP_EM_NONE ? stat.comp_method : ZipMember::kEncrypted;
    impl.members.push_back(std::move(member));
  }
  return zip;
}

Result<ZipFile> ZipFile::salvage(const fs::path& path) {
  ZipFile zip;
  Impl& impl = *zip.impl_;
  impl.file = path.filename().string();
  std::error_code failure;
  impl.raw.open(path, std::ios::binary);
  if (!impl.raw) return Error{Code::kNotFound, "cannot open '" + path.string() + "'", {}};
  impl.bytes = fs::file_size(path, failure);
  if (failure)
    return Error{Code::kData, "'" + path.string() + "' is not a file; a zip archive was expected", {}};

  for (std::uint64_t at = impl.find(kLocalMark, 0, impl.bytes); at < impl.bytes;) {
    const std::string head = impl.at(at, kHeaderBytes);
    if (head.size() < kHeaderBytes) break;
    const std::uint64_t flags = little_endian(head, 6, 2);
    const std::uint64_t name_bytes = little_endian(head, 26, 2), extra_bytes = little_endian(head, 28, 2);
    const std::string tail = impl.at(at + kHeaderBytes, name_bytes + extra_bytes);
    if (tail.size() < name_bytes + extra_bytes) break;
    ZipMember member;
    member.name = tail.substr(0, name_bytes);
    member.method =
        (flags & 1U) != 0 ? ZipMember::kEncrypted : static_cast<std::uint16_t>(little_endian(head, 8, 2));
    member.crc = static_cast<std::uint32_t>(little_endian(head, 14, 4));
    member.packed = little_endian(head, 18, 4);
    member.size = little_endian(head, 22, 4);
    member.offset = at + kHeaderBytes + name_bytes + extra_bytes;
    // Sizes above 4 GiB stand in an extra field (zip64): first the size, then the packed size.
    for (std::uint64_t e = name_bytes; e + 4 <= tail.size();) {
      const std::uint64_t length = little_endian(tail, e + 2, 2);
      if (little_endian(tail, e, 2) == 1 && length >= 16 && e + 20 <= tail.size()) {
        if (member.size == 0xFFFFFFFFU) member.size = little_endian(tail, e + 4, 8);
        if (member.packed == 0xFFFFFFFFU) member.packed = little_endian(tail, e + 12, 8);
      }
      e += 4 + length;
    }
    const bool described = (flags & 8U) == 0 || member.packed != 0 || impl.describe(member);
    const bool whole =
        described && member.offset <= impl.bytes && member.packed <= impl.bytes - member.offset;
    const std::uint64_t next = whole ? member.offset + member.packed : at + 1;
    if (whole && !member.name.ends_with('/')) impl.members.push_back(std::move(member));
    at = impl.find(kLocalMark, next, impl.bytes);
  }
  if (impl.members.empty()) {
    return Error{Code::kData,
                 "'" + path.string() + "' holds no complete member of a zip archive; nothing can be salvaged",
                 {}};
  }
  return zip;
}

Result<std::string> ZipFile::read(const ZipMember& member) const {
  const std::string& file = impl_->file;
  if (member.size > kSizeMax) {
    return damage(
        file, member,
        "it states " + std::to_string(member.size) + " bytes; the limit is " + std::to_string(kSizeMax));
  }
  if ((member.size + kRatioMax - 1) / kRatioMax > member.packed) {
    return damage(file, member,
                  "it grows from " + std::to_string(member.packed) + " to " + std::to_string(member.size) +
                      " bytes; more than " + std::to_string(kRatioMax) + " times is refused");
  }
  if (member.method == ZipMember::kEncrypted)
    return damage(file, member, "it is encrypted; decrypt the archive first");
  auto packed = impl_->packed_bytes(member);
  if (!packed) return packed;
  Output out(member.size);
  std::string problem;
  switch (member.method) {
    case kStored:
      if (!out.add(packed->data(), packed->size())) problem = "it is larger than the archive states";
      break;
    case kDeflate:
      problem = inflate_raw(*packed, out);
      break;
    case kZstd:
      problem = decode_zstd(*packed, out);
      break;
    default:
      problem = "compression method " + std::to_string(member.method) +
                " is not supported; stored (0), deflate (8) and zstd (93) are";
  }
  if (!problem.empty()) return damage(file, member, problem);
  std::string bytes = std::move(out.bytes_);
  if (bytes.size() != member.size) {
    return damage(file, member,
                  "it has " + std::to_string(bytes.size()) + " bytes where the archive states " +
                      std::to_string(member.size));
  }
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (crc != member.crc) return damage(file, member, kWrongCrc);
  return bytes;
}

}  // namespace assay::host::interop
