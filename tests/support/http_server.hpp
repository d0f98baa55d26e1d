// A tiny HTTP/1.1 server on the loopback interface for tests: one thread, one connection at a time, every
// answer decided by a handler. It can truncate, delay, refuse ranges and lie, which real servers do not do on
// demand. Thread rule: the handler runs on the server's thread; construct and destroy on the test's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace assay::test {

struct HttpRequest {
  std::string method;
  std::string target;                          ///< path and query, as sent
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< as long as Content-Length says
  /// First byte of "Range: bytes=N-".
  [[nodiscard]] std::optional<std::uint64_t> range_start() const;
};

struct HttpReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside Content-Length and Connection
  std::string body;
  std::optional<std::size_t> cut_after;  ///< close the connection after so many bytes of the body
  int delay_ms = 0;                      ///< wait before answering
  bool length = true;  ///< send Content-Length; without it the end of the connection ends the body
};

class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpRequest&)>;
  /// Listens on a free port of 127.0.0.1. Throws std::runtime_error when that is impossible.
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// "http://127.0.0.1:PORT" + path.
  [[nodiscard]] std::string url(const std::string& path) const;
  /// All requests so far.
  [[nodiscard]] std::vector<HttpRequest> requests() const;

 private:
  void serve();
  void answer(int connection);
  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::thread thread_;
};

/// 200 with the whole content, or 206 with its rest when the request asks for a range (416 beyond the end).
HttpReply serve_content(const HttpRequest& request, const std::string& content);

}  // namespace assay::test
