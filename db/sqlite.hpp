// A thin, exception-free RAII layer over SQLite's C interface: connections, cached statements, typed binding
// and columns, and errors as sentences. Thread rule: a connection and its statements belong to one thread at
// a time (connections are opened without SQLite's own mutexes).
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "assay/sdk/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace assay::host::sqlite {

/// How long to wait for a program that holds the file but does not know the lock file (the sqlite3 shell),
/// ms.
inline constexpr std::int64_t kBusyMs = 10'000;

/// 64-bit unsigned numbers are stored with the same bits as signed ones.
inline std::int64_t as_stored(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
inline std::uint64_t as_unsigned(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

/// A sentence for SQLite's result `code`: what was attempted, the file, the cause, the remedy. kData: not a
/// database, corrupt, or a broken constraint; kUnavailable: locked; kResourceExhausted: full, read-only, I/O.
Error failure(sqlite3* db, int code, const std::string& path, std::string_view attempt);

/// One prepared statement. Bound text is not copied and must live until the last step.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  ~Statement();
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  void bind(int index, std::int64_t value);
  void bind(int index, double value);  ///< NaN is stored as NULL
  void bind(int index, std::string_view text);
  void bind_blob(int index, std::string_view bytes);
  void bind_null(int index);
  /// NULL when empty.
  void bind_or_null(int index, std::string_view text);
  void bind_blob_or_null(int index, std::string_view bytes);

  /// SQLite's own code: SQLITE_ROW, SQLITE_DONE or a failure (for hot paths; see Query::step).
  int step_code();
  /// Ready for the next execution. Bindings stay.
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;  ///< NaN for NULL
  [[nodiscard]] bool is_null(int column) const;
  /// Valid until the next step.
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string string(int column) const { return std::string(text(column)); }
  [[nodiscard]] std::string_view blob(int column) const;
  [[nodiscard]] sqlite3_stmt* handle() const { return handle_; }
  /// Gives the handle away.
  sqlite3_stmt* release() { return std::exchange(handle_, nullptr); }

 private:
  sqlite3_stmt* handle_ = nullptr;
};

class Connection;

/// A cached statement on loan: reset and handed back when it leaves its scope.
class Query {
 public:
  Query(Connection& owner, Statement statement, sqlite3_stmt** home);
  ~Query();
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;

  Statement* operator->() { return &statement_; }
  Statement& operator*() { return statement_; }
  /// True: a row is there. False: done.
  Result<bool> step();

 private:
  Connection* owner_;
  Statement statement_;
  sqlite3_stmt** home_;
};

/// An argument of a statement.
struct Argument {
  enum class Kind { kNull, kInteger, kReal, kText } kind = Kind::kNull;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text;

  Argument(std::nullptr_t) {}                                             // NOLINT
  Argument(std::int64_t value) : kind(Kind::kInteger), integer(value) {}  // NOLINT
  Argument(int value) : kind(Kind::kInteger), integer(value) {}           // NOLINT
  Argument(bool value) : kind(Kind::kInteger), integer(value ? 1 : 0) {}  // NOLINT
  Argument(double value) : kind(Kind::kReal), real(value) {}              // NOLINT
  Argument(std::string_view value) : kind(Kind::kText), text(value) {}    // NOLINT
  Argument(const std::string& value) : kind(Kind::kText), text(value) {}  // NOLINT
  Argument(const char* value) : kind(Kind::kText), text(value) {}         // NOLINT
};
using Arguments = std::initializer_list<Argument>;

enum class Mode {
  kReadWrite,  ///< creates the file when it is missing
  kReadOnly,
  kImmutable,  ///< read-only on a medium where not even SQLite's shared memory file can be made
};

/// The first 100 bytes of a file, read through SQLite: a process that closes any other descriptor of a
/// database loses all its locks on it, also those that SQLite holds for another connection of this process.
Result<std::string> read_header(const std::filesystem::path& file);

/// One connection with a cache of prepared statements.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, Mode mode,
                                                  std::int64_t busy_ms);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Any number of statements without arguments or rows.
  Result<void> execute(const char* sql);
  /// A statement from the cache, with its arguments bound.
  Result<Query> query(std::string_view sql, Arguments arguments = {});
  /// A statement of one's own, not in the cache.
  Result<Statement> prepare(std::string_view sql);
  /// Runs to the end and gives the number of changed rows.
  Result<std::int64_t> run(std::string_view sql, Arguments arguments = {});
  /// The first column of the first row; nothing without a row or for NULL.
  Result<std::optional<std::int64_t>> number(std::string_view sql, Arguments arguments = {});
  /// Calls `visit(const Statement&)` for every row.
  template <class Visit>
  Result<void> each(std::string_view sql, Arguments arguments, Visit&& visit) {
    Result<Query> statement = query(sql, arguments);
    if (!statement) return std::move(statement).error();
    while (true) {
      Result<bool> row = statement->step();
      if (!row) return std::move(row).error();
      if (!*row) return {};
      visit(static_cast<const Statement&>(**statement));
    }
  }

  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_row() const;
  [[nodiscard]] bool read_only() const;
  /// Ends a running statement of this connection with an error. Any thread.
  void interrupt();
  /// What the last failure means (see failure()).
  Error error(int code, std::string_view attempt) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Leaves the write-ahead log alone when the connection closes.
  void no_checkpoint_on_close();

 private:
  friend class Query;
  Connection() = default;
  sqlite3* db_ = nullptr;
  std::string path_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, sqlite3_stmt*, Hash, std::equal_to<>> cache_;  ///< null: on loan
};

}  // namespace assay::host::sqlite
