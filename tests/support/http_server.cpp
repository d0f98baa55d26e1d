#include "tests/support/http_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>

namespace assay::test {
namespace {

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::uint64_t number(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void send_all(int connection, const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = ::send(connection, data, bytes, MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone, as some tests want
    data += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
}

/// Reads one request; false when the connection ends before it is complete.
bool receive(int connection, HttpRequest& request) {
  std::string bytes;
  std::size_t head = std::string::npos;
  std::uint64_t wanted = 0;
  char buffer[16384];
  for (;;) {
    if (head == std::string::npos && (head = bytes.find("\r\n\r\n")) != std::string::npos) {
      std::size_t at = bytes.find("\r\n");
      const std::string line = bytes.substr(0, at);
      const std::size_t first = line.find(' '), last = line.rfind(' ');
      if (first == std::string::npos || last <= first) return false;
      request.method = line.substr(0, first);
      request.target = line.substr(first + 1, last - first - 1);
      while (at < head) {
        const std::size_t begin = at + 2;
        at = bytes.find("\r\n", begin);
        const std::string field = bytes.substr(begin, at - begin);
        const std::size_t colon = field.find(':');
        if (colon == std::string::npos) continue;
        const std::size_t value = field.find_first_not_of(' ', colon + 1);
        request.headers[lower(field.substr(0, colon))] =
            value == std::string::npos ? "" : field.substr(value);
      }
      const auto length = request.headers.find("content-length");
      wanted = length == request.headers.end() ? 0 : number(length->second);
    }
    if (head != std::string::npos && bytes.size() >= head + 4 + wanted) {
      request.body = bytes.substr(head + 4, static_cast<std::size_t>(wanted));
      return true;
    }
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

std::optional<std::uint64_t> HttpRequest::range_start() const {
  const auto range = headers.find("range");
  if (range == headers.end() || range->second.compare(0, 6, "bytes=") != 0) return std::nullopt;
  return number(range->second.substr(6));
}

HttpServer::HttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 8) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    if (listener_ >= 0) ::close(listener_);
    throw std::runtime_error("the test server cannot listen on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

std::string HttpServer::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  while (!stop_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    answer(connection);
    ::close(connection);
  }
}

void HttpServer::answer(int connection) {
  HttpRequest request;
  if (!receive(connection, request)) return;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const HttpReply reply = handler_(request);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(reply.delay_ms);
  while (!stop_ && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Test\r\nConnection: close\r\n";
  if (reply.length) head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  for (const auto& [name, value] : reply.headers) head.append(name).append(": ").append(value).append("\r\n");
  head += "\r\n";
  send_all(connection, head.data(), head.size());
  if (request.method != "HEAD")
    send_all(connection, reply.body.data(),
             std::min(reply.body.size(), reply.cut_after.value_or(reply.body.size())));
  ::shutdown(connection, SHUT_WR);
}

HttpReply serve_content(const HttpRequest& request, const std::string& content) {
  HttpReply reply;
  const auto start = request.range_start();
  if (!start) {
    reply.body = content;
    return reply;
  }
  const std::string total = "/" + std::to_string(content.size());
  if (*start >= content.size()) {
    reply.status = 416;
    reply.headers = {{"Content-Range", "bytes *" + total}};
    return reply;
  }
  reply.status = 206;
  reply.headers = {{"Content-Range",
                    "bytes " + std::to_string(*start) + "-" + std::to_string(content.size() - 1) + total}};
  reply.body = content.substr(static_cast<std::size_t>(*start));
  return reply;
}

}  // namespace assay::test
