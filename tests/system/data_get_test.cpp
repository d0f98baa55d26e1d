// Downloads against a server in this process: resume, truncation, lies, refusals.
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/base/hash.hpp"
#include "harness/data/data.hpp"
#include "tests/support/http_server.hpp"

namespace fs = std::filesystem;
using namespace assay;
using namespace assay::host;
using assay::test::HttpReply;
using assay::test::HttpRequest;
using assay::test::HttpServer;
using assay::test::serve_content;
using Catch::Matchers::ContainsSubstring;

namespace {

/// 300 kB whose every part differs, so that a wrongly joined file has another hash.
std::string big_content() {
  std::string out;
  for (int i = 0; out.size() < 300'000; ++i) out += "row " + std::to_string(i) + "\n";
  return out;
}

/// A scratch folder, a registry with one set "set" of the given bytes, and its options.
struct World {
  explicit World(const std::string& expected, const std::string& url) {
    ::setenv("no_proxy", "127.0.0.1", 1);  // a proxy must not come between the test and its server
    std::string pattern = (fs::temp_directory_path() / "assay-get-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    const std::string sha = sha256_hex(expected);
    part = folder / "cache" / sha / "big.jsonl.part";
    whole = folder / "cache" / sha / "big.jsonl";
    const std::string text =
        "[[data]]\nname = \"set\"\ntitle = \"t\"\nlicence = \"MIT\"\nsource = \"s\"\nfile = "
        "\"d/big.jsonl\"\nurl = \"" +
        url + "\"\nsha256 = \"" + sha + "\"\nbytes = " + std::to_string(expected.size()) + "\n";
    REQUIRE(write_file(folder / "r.toml", text).ok());
    options.cache = folder / "cache";
    options.use_environment = false;
    options.retry_wait_ms = 1;
  }
  ~World() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Result<std::vector<ResolvedFile>> get(const DataProgress& progress = {}) {
    registry = std::make_unique<DataRegistry>(DataRegistry::load(folder / "r.toml").value());
    return registry->get("set", options, progress);
  }
  void put_part(const std::string& bytes) const { REQUIRE(write_file(part, bytes).ok()); }

  fs::path folder, part, whole;
  DataOptions options;
  std::unique_ptr<DataRegistry> registry;
};

}  // namespace

TEST_CASE("a download arrives, is checked, and is not repeated") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, content); });
  World world(content, server.url("/big"));
  std::uint64_t last = 0;
  const auto got = world.get([&](const DataFile& file, std::uint64_t done, std::uint64_t total) {
    CHECK(file.name == "big.jsonl");
    CHECK(total == content.size());
    CHECK(done >= last);
    last = done;
    return true;
  });
  if (!got.ok()) FAIL(got.error().text);
  CHECK(got->front().path == world.whole);
  CHECK(got->front().origin == DataOrigin::kCache);
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
  CHECK_FALSE(fs::exists(world.part));
  CHECK(last == content.size());
  CHECK(world.get().ok());
  CHECK(server.requests().size() == 1);
  CHECK(world.registry->verify("set", world.options)->front().state == FileCheck::State::kOk);
}

TEST_CASE("a truncated download is resumed where it ended") {
  const std::string content = big_content();
  std::atomic<int> calls{0};
  const HttpServer server([&](const HttpRequest& request) {
    HttpReply reply = serve_content(request, content);
    if (calls++ == 0) reply.cut_after = 100'000;
    return reply;
  });
  World world(content, server.url("/big"));
  const auto got = world.get();
  if (!got.ok()) FAIL(got.error().text);
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK_FALSE(requests[0].range_start().has_value());
  CHECK(requests[1].range_start() == 100'000U);
}

TEST_CASE("a part file of an earlier run is continued") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, content); });
  World world(content, server.url("/big"));
  world.put_part(content.substr(0, 250'000));
  REQUIRE(world.get().ok());
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0].range_start() == 250'000U);
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
}

TEST_CASE("a complete part file needs no server, a too long one is begun anew") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, content); });
  World world(content, server.url("/big"));
  world.put_part(content);
  REQUIRE(world.get().ok());
  CHECK(server.requests().empty());
  fs::remove(world.whole);
  world.put_part(content + "more");
  REQUIRE(world.get().ok());
  CHECK_FALSE(server.requests().at(0).range_start().has_value());
}

TEST_CASE("a part file of other bytes is noticed and fetched anew") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, content); });
  World world(content, server.url("/big"));
  world.put_part(std::string(200'000, 'x'));
  const auto got = world.get();
  if (!got.ok()) FAIL(got.error().text);
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
  CHECK(server.requests().size() == 2);
}

TEST_CASE("a server without ranges sends the whole file, which is taken") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest&) {
    HttpReply reply;
    reply.body = content;
    return reply;
  });
  World world(content, server.url("/big"));
  world.put_part(content.substr(0, 1234));
  const auto got = world.get();
  if (!got.ok()) FAIL(got.error().text);
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0].range_start() == 1234U);
}

TEST_CASE("a server that answers another range than asked is not believed") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) {
    HttpReply reply = serve_content(request, content);
    if (request.range_start()) reply.headers = {{"Content-Range", "bytes 0-9/10"}};
    return reply;
  });
  World world(content, server.url("/big"));
  world.put_part(content.substr(0, 1234));
  REQUIRE(world.get().ok());
  CHECK(*sha256_file(world.whole) == sha256_hex(content));
  CHECK(server.requests().size() == 2);
}

TEST_CASE("wrong content is refused, named with both hashes, and nothing stays behind") {
  const std::string content = big_content();
  std::string other = content;
  other[1000] = '#';
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, other); });
  World world(content, server.url("/big"));
  const auto got = world.get();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Code::kData);
  CHECK_THAT(got.error().text, ContainsSubstring(sha256_hex(content)) &&
                                   ContainsSubstring(sha256_hex(other)) &&
                                   ContainsSubstring("the part file was deleted"));
  CHECK_FALSE(fs::exists(world.part));
  CHECK_FALSE(fs::exists(world.whole));
}

TEST_CASE("a longer file ends at the size cap, with or without an announced length") {
  const std::string content = big_content();
  for (const bool length : {true, false}) {
    const HttpServer server([&](const HttpRequest&) {
      HttpReply reply;
      reply.body = content + "more";
      reply.length = length;
      return reply;
    });
    World world(content, server.url("/big"));
    const auto got = world.get();
    REQUIRE_FALSE(got.ok());
    CHECK(got.error().code == Code::kData);
    CHECK_THAT(got.error().text,
               ContainsSubstring("more than the " + std::to_string(content.size()) + " bytes"));
    CHECK_FALSE(fs::exists(world.part));
  }
}

TEST_CASE("404 is one sentence with the address and the remedy, and is not tried again") {
  const HttpServer server([](const HttpRequest&) {
    HttpReply reply;
    reply.status = 404;
    reply.body = "<html>not here</html>";
    return reply;
  });
  World world("hello", server.url("/gone"));
  const auto got = world.get();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Code::kNotFound);
  CHECK_THAT(got.error().text, ContainsSubstring("data set 'set'") && ContainsSubstring("404") &&
                                   ContainsSubstring(server.url("/gone")));
  CHECK(server.requests().size() == 1);
}

TEST_CASE("503 is tried again, and given up after the allowed attempts") {
  std::atomic<int> calls{0};
  const HttpServer server([&](const HttpRequest& request) {
    HttpReply reply;
    if (request.target == "/once" && calls++ > 0) return serve_content(request, "hello");
    reply.status = 503;
    reply.body = "busy";
    return reply;
  });
  World world("hello", server.url("/once"));
  REQUIRE(world.get().ok());
  CHECK(server.requests().size() == 2);

  World never("hello", server.url("/always"));
  never.options.attempts = 3;
  const auto got = never.get();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Code::kUnavailable);
  CHECK_THAT(got.error().text, ContainsSubstring("503") && ContainsSubstring("3 attempts"));
  CHECK(server.requests().size() == 5);
}

TEST_CASE("three redirects are followed, four are not, and no other scheme") {
  const HttpServer server([&](const HttpRequest& request) {
    if (request.target == "/0") return serve_content(request, "hello");
    HttpReply reply;
    reply.status = 302;
    reply.headers = {{"Location", request.target == "/file"
                                      ? "file:///etc/hostname"
                                      : "/" + std::to_string(std::stoi(request.target.substr(1)) - 1)}};
    return reply;
  });
  World three("hello", server.url("/3"));
  CHECK(three.get().ok());
  World four("hello", server.url("/4"));
  const auto far = four.get();
  REQUIRE_FALSE(far.ok());
  CHECK_THAT(far.error().text, ContainsSubstring("redirects more than 3 times"));
  World scheme("hello", server.url("/file"));
  const auto local = scheme.get();
  REQUIRE_FALSE(local.ok());
  CHECK(local.error().code == Code::kInvalidArgument);
}

TEST_CASE("a silent server is given up") {
  const HttpServer server([](const HttpRequest& request) {
    HttpReply reply = serve_content(request, "hello");
    reply.delay_ms = 20'000;
    return reply;
  });
  World world("hello", server.url("/slow"));
  world.options.stall_seconds = 1;
  world.options.attempts = 1;
  const auto got = world.get();
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Code::kUnavailable);
}

TEST_CASE("a stopped download keeps its part for the next one") {
  const std::string content = big_content();
  const HttpServer server([&](const HttpRequest& request) { return serve_content(request, content); });
  World world(content, server.url("/big"));
  const auto got =
      world.get([](const DataFile&, std::uint64_t done, std::uint64_t) { return done < 50'000; });
  REQUIRE_FALSE(got.ok());
  CHECK(got.error().code == Code::kCancelled);
  REQUIRE(fs::exists(world.part));
  const auto kept = fs::file_size(world.part);
  CHECK(kept > 0);
  REQUIRE(world.get().ok());
  if (kept < content.size()) CHECK(server.requests().back().range_start() == kept);
}

TEST_CASE("offline refuses the network and says so; an unreachable server is unavailable") {
  World world("hello", "http://127.0.0.1:9/closed");
  world.options.offline = true;
  const auto refused = world.get();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::kInvalidArgument);
  CHECK_THAT(refused.error().text, ContainsSubstring("--offline"));
  const auto missing = world.registry->resolve("set", world.options);
  REQUIRE_FALSE(missing.ok());
  CHECK_THAT(missing.error().text, ContainsSubstring("run `assay data get set` (5 B, MIT)"));
  world.options.offline = false;
  world.options.attempts = 2;
  const auto closed = world.get();
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().code == Code::kUnavailable);
}
