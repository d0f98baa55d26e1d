// One HTTP transfer with libcurl, written to be interrupted and continued.
#include <curl/curl.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "harness/base/strings.hpp"
#include "harness/data/detail.hpp"

namespace assay::host::detail {
namespace {

constexpr long kRedirectsMax = 3;
constexpr long kConnectSeconds = 30;

/// The open part file, locked so that two programs never write it at once.
class PartFile {
 public:
  PartFile() = default;
  ~PartFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  Result<void> open(const std::filesystem::path& path, std::uint64_t keep) {
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) return failed("cannot open '" + path.string() + "'");
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
      return Error{Code::kInvalidArgument,
                   "'" + path.string() + "' is being written by another download; wait for it",
                   {}};
    return cut(keep);
  }
  /// Keeps the first `keep` bytes and writes behind them from now on.
  Result<void> cut(std::uint64_t keep) {
    if (::ftruncate(fd_, static_cast<off_t>(keep)) != 0 ||
        ::lseek(fd_, static_cast<off_t>(keep), SEEK_SET) < 0)
      return failed("cannot shorten the part file");
    size_ = keep;
    return {};
  }
  Result<void> append(const char* data, std::size_t bytes) {
    while (bytes > 0) {
      const ssize_t written = ::write(fd_, data, bytes);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("cannot write the part file");
      data += written;
      bytes -= static_cast<std::size_t>(written);
      size_ += static_cast<std::uint64_t>(written);
    }
    return {};
  }
  Result<void> sync() {
    if (::fsync(fd_) != 0) return failed("cannot write the part file");
    return {};
  }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  static Error failed(const std::string& what) {
    return Error{Code::kResourceExhausted, what + ": " + std::strerror(errno), {}};
  }
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

/// State of a transfer; libcurl's callbacks fill it.
struct Transfer {
  const Fetch* fetch = nullptr;
  CURL* curl = nullptr;
  PartFile part;
  bool started = false;    ///< the first byte of the wanted body has arrived
  bool resumed = false;    ///< the server continued the part file
  bool no_ranges = false;  ///< the server answered the range request with another range
  bool too_long = false;
  bool cancelled = false;
  std::optional<Error> failure;
  std::optional<std::uint64_t> range_start;  ///< first byte of Content-Range of the last answer
};

long status_of(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

/// Decides what the body is: the rest of the file, the file from its beginning, or no file.
bool begin_body(Transfer& transfer) {
  transfer.started = true;
  const std::uint64_t from = transfer.fetch->resume_from;
  if (status_of(transfer.curl) == 206) {
    if (from == 0 || transfer.range_start != from) {
      transfer.no_ranges = true;
      return false;
    }
    transfer.resumed = true;
    return true;
  }
  if (auto cut = transfer.part.cut(0); !cut) {
    transfer.failure = std::move(cut).error();
    return false;
  }
  return true;
}

std::size_t on_body(char* data, std::size_t unit, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = unit * count;
  const long status = status_of(transfer.curl);
  if (status != 200 && status != 206) return bytes;  // an error page: not kept
  if (!transfer.started && !begin_body(transfer)) return 0;
  if (transfer.part.size() + bytes > transfer.fetch->bytes) {
    transfer.too_long = true;
    return 0;
  }
  if (auto written = transfer.part.append(data, bytes); !written) {
    transfer.failure = std::move(written).error();
    return 0;
  }
  return bytes;
}

std::size_t on_header(char* data, std::size_t unit, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, unit * count);
  if (line.substr(0, 5) == "HTTP/") transfer.range_start.reset();
  static constexpr std::string_view kRange = "content-range:";
  if (line.size() > kRange.size() && ::strncasecmp(line.data(), kRange.data(), kRange.size()) == 0) {
    std::string_view value = trimmed(line.substr(kRange.size()));
    if (value.substr(0, 6) == "bytes ") {
      value.remove_prefix(6);
      const auto first = parse_int(value.substr(0, value.find('-')));
      if (first && *first >= 0) transfer.range_start = static_cast<std::uint64_t>(*first);
    }
  }
  return unit * count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  if (transfer.fetch->progress && !transfer.fetch->progress(transfer.part.size())) {
    transfer.cancelled = true;
    return 1;
  }
  return 0;
}

/// A status that is not the file.
Error http_error(long status, const std::string& url) {
  const std::string answered = "the server answered " + std::to_string(status) + " for " + url;
  if (status == 404 || status == 410)
    return Error{
        Code::kNotFound, answered + " (not found): the file was moved or removed at its public address", {}};
  if (status == 401 || status == 403 || status == 407)
    return Error{
        Code::kAuth, answered + " (access refused): the address is not public or a proxy forbids it", {}};
  if (status == 429) return Error{Code::kRateLimited, answered + " (too many requests): try again later", {}};
  if (status >= 500 || status == 408)
    return Error{Code::kUnavailable, answered + ": the server has a passing failure; try again later", {}};
  return Error{Code::kData, answered + "; 200 was expected", {}};
}

void set_options(CURL* curl, const Fetch& fetch, Transfer& transfer, char* message) {
  curl_easy_setopt(curl, CURLOPT_URL, fetch.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "assay");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // An encrypted address never continues unencrypted.
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR,
                   fetch.url.compare(0, 8, "https://") == 0 ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(fetch.stall_seconds));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  // A plain Range header instead of CURLOPT_RESUME_FROM: a server without ranges then sends the whole file,
  // which is taken, instead of failing the transfer.
  if (fetch.resume_from > 0)
    curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(fetch.resume_from) + "-").c_str());
}

/// The sentence for a transfer that libcurl ended early.
Error transport_error(CURLcode code, const Transfer& transfer, const char* message) {
  if (transfer.failure) return *transfer.failure;
  const std::string& url = transfer.fetch->url;
  if (transfer.cancelled)
    return Error{Code::kCancelled, "the download of " + url + " was stopped; the next get continues it", {}};
  if (transfer.too_long)
    return Error{Code::kData,
                 url + " has more than the " + std::to_string(transfer.fetch->bytes) +
                     " bytes that the registry names; the public file is another one",
                 {}};
  const std::string reason = message[0] != '\0' ? message : curl_easy_strerror(code);
  if (code == CURLE_TOO_MANY_REDIRECTS)
    return Error{Code::kData, url + " redirects more than " + std::to_string(kRedirectsMax) + " times", {}};
  if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT)
    return Error{
        Code::kInvalidArgument, url + " cannot be fetched: " + reason + "; only http and https are used", {}};
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    return Error{Code::kAuth, url + " cannot be fetched: " + reason, {}};
  return Error{Code::kUnavailable, "the download of " + url + " failed: " + reason, {}};
}

}  // namespace

Result<Fetched> fetch_once(const Fetch& fetch) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) return Error{Code::kInternal, "libcurl cannot be initialised", {}};
  Transfer transfer;
  transfer.fetch = &fetch;
  transfer.curl = curl.get();
  if (auto opened = transfer.part.open(fetch.part, fetch.resume_from); !opened)
    return std::move(opened).error();
  char message[CURL_ERROR_SIZE] = {};
  set_options(curl.get(), fetch, transfer, message);
  const CURLcode code = curl_easy_perform(curl.get());
  const long status = status_of(curl.get());
  if (transfer.no_ranges || status == 416) {
    // The server cannot continue from there: begin anew with the next attempt.
    if (auto cut = transfer.part.cut(0); !cut) return std::move(cut).error();
    return Error{
        Code::kUnavailable, "the server cannot continue " + fetch.url + "; the download begins anew", {}};
  }
  if (code != CURLE_OK) return transport_error(code, transfer, message);
  if (status != 200 && status != 206) return http_error(status, fetch.url);
  if (auto synced = transfer.part.sync(); !synced) return std::move(synced).error();
  return Fetched{transfer.resumed};
}

}  // namespace assay::host::detail
