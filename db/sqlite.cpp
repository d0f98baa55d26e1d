#include "db/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace assay::host::sqlite {
namespace {

/// Text for SQLite: never a null pointer, which would mean NULL.
const char* pointer(std::string_view text) {
  return text.data() == nullptr ? "" : text.data();
}

bool no_space(int system_error) {
  return system_error == ENOSPC || system_error == EFBIG || system_error == EDQUOT;
}

/// The operating system's reason for a failed read or write. SQLite reports the errno of the moment of
/// asking, which may have changed, so the log and the file are asked for the last error of their own.
int last_errno(sqlite3* db) {
  int found = 0;
  sqlite3_file* log = nullptr;
  (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log != nullptr && log->pMethods != nullptr) {
    (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &found);
  }
  if (found == 0) (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &found);
  return found != 0 ? found : sqlite3_system_errno(db);
}

/// SQLite counts its memory under a process-wide mutex unless told not to before its first use.
void configure_once() {
  static std::once_flag once;
  std::call_once(once, [] { (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

}  // namespace

Error failure(sqlite3* db, int code, const std::string& path, std::string_view attempt) {
  const std::string detail = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
  const bool io = (code & 0xff) == SQLITE_IOERR;
  const int system_error = db == nullptr ? 0 : io ? last_errno(db) : sqlite3_system_errno(db);
  const std::string start = std::string(attempt) + " failed: the database '" + path + "' ";
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      return {Code::kData, start + "is not an SQLite database; choose another file with --db", path};
    case SQLITE_CORRUPT:
      return {Code::kData,
              start + "is damaged (" + detail +
                  "); copy it, then save what is readable with the sqlite3 shell's"
                  " .recover command, or use a backup",
              path};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Code::kUnavailable,
              start + "is locked by another program (" + detail + "); close it there or try again", path};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {Code::kResourceExhausted,
              start + "or its folder is read-only (" + detail +
                  "); make both writable or choose another file"
                  " with --db",
              path};
    case SQLITE_CANTOPEN:
      return {Code::kResourceExhausted,
              start + "cannot be opened or created (" + detail +
                  (system_error != 0 ? std::string("; ") + std::strerror(system_error) : "") +
                  "); check that its folder exists and is writable, or choose another file with --db",
              path};
    case SQLITE_FULL:
      return {Code::kResourceExhausted,
              start + "cannot grow because the disk is full; free space and resume the run", path};
    case SQLITE_IOERR:
      if (no_space(system_error)) {
        return {Code::kResourceExhausted,
                start + "cannot grow (" + std::strerror(system_error) +
                    "): the disk is full or a file-size limit is reached; free space and resume the run",
                path};
      }
      return {Code::kResourceExhausted,
              start + "could not be read or written (" + detail +
                  (system_error != 0 ? std::string("; ") + std::strerror(system_error) : "") +
                  "); check the disk and resume the run",
              path};
    case SQLITE_NOMEM:
      return {Code::kResourceExhausted, start + "needs more memory than there is", path};
    case SQLITE_INTERRUPT:
      return {Code::kCancelled, std::string(attempt) + " was interrupted", path};
    case SQLITE_CONSTRAINT:
      return {Code::kInvalidArgument, start + "refused a row: " + detail, path};
    default:
      return {Code::kInternal, start + "answered: " + detail + " (code " + std::to_string(code) + ")", path};
  }
}

Statement::~Statement() {
  (void)sqlite3_finalize(handle_);
}

void Statement::bind(int index, std::int64_t value) {
  (void)sqlite3_bind_int64(handle_, index, value);
}
void Statement::bind(int index, double value) {
  (void)sqlite3_bind_double(handle_, index, value);
}
void Statement::bind(int index, std::string_view text) {
  (void)sqlite3_bind_text64(handle_, index, pointer(text), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void Statement::bind_blob(int index, std::string_view bytes) {
  (void)sqlite3_bind_blob64(handle_, index, pointer(bytes), bytes.size(), SQLITE_STATIC);
}
void Statement::bind_null(int index) {
  (void)sqlite3_bind_null(handle_, index);
}
void Statement::bind_or_null(int index, std::string_view text) {
  if (text.empty()) return bind_null(index);
  bind(index, text);
}
void Statement::bind_blob_or_null(int index, std::string_view bytes) {
  if (bytes.empty()) return bind_null(index);
  bind_blob(index, bytes);
}

int Statement::step_code() {
  return sqlite3_step(handle_);
}
void Statement::reset() {
  (void)sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}
double Statement::real(int column) const {
  if (is_null(column)) return std::numeric_limits<double>::quiet_NaN();
  return sqlite3_column_double(handle_, column);
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}
std::string_view Statement::text(int column) const {
  return blob(column);
}
std::string_view Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

Query::Query(Connection& owner, Statement statement, sqlite3_stmt** home)
    : owner_(&owner), statement_(std::move(statement)), home_(home) {}
Query::Query(Query&& other) noexcept
    : owner_(other.owner_),
      statement_(std::move(other.statement_)),
      home_(std::exchange(other.home_, nullptr)) {}
Query::~Query() {
  if (statement_.handle() == nullptr || home_ == nullptr || *home_ != nullptr) return;
  (void)sqlite3_reset(statement_.handle());
  (void)sqlite3_clear_bindings(statement_.handle());
  *home_ = statement_.release();
}

Result<bool> Query::step() {
  const int code = statement_.step_code();
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return owner_->error(code, "reading or writing rows");
}

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, Mode mode,
                                                     std::int64_t busy_ms) {
  configure_once();
  std::unique_ptr<Connection> connection(new Connection());
  connection->path_ = file.string();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  std::string name = connection->path_;
  if (mode == Mode::kImmutable) {
    flags |= SQLITE_OPEN_URI;
    std::string escaped;
    for (const char c : name) {
      if (c == '%' || c == '?' || c == '#') {
        constexpr char kDigits[] = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(c);
        escaped += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
      } else {
        escaped += c;
      }
    }
    name = "file:" + escaped + "?immutable=1";
  }
  const int code = sqlite3_open_v2(name.c_str(), &connection->db_, flags, nullptr);
  if (code != SQLITE_OK) return connection->error(code, "opening");
  (void)sqlite3_busy_timeout(connection->db_, static_cast<int>(busy_ms));
  (void)sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  (void)sqlite3_db_config(connection->db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  return connection;
}

Result<std::string> read_header(const std::filesystem::path& file) {
  sqlite3* db = nullptr;
  int code = sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  sqlite3_file* handle = nullptr;
  if (code == SQLITE_OK) code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &handle);
  std::string bytes(100, '\0');
  if (code == SQLITE_OK)
    code = handle->pMethods->xRead(handle, bytes.data(), static_cast<int>(bytes.size()), 0);
  (void)sqlite3_close(db);
  if (code != SQLITE_OK) return failure(nullptr, code, file.string(), "opening");
  return bytes;
}

Connection::~Connection() {
  for (auto& [sql, statement] : cache_) (void)sqlite3_finalize(statement);
  (void)sqlite3_close_v2(db_);
}

Result<void> Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code, "writing");
  return {};
}

Result<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return error(code, "preparing a statement");
  return Statement(handle);
}

Result<Query> Connection::query(std::string_view sql, Arguments arguments) {
  auto entry = cache_.find(sql);
  if (entry == cache_.end()) entry = cache_.emplace(std::string(sql), nullptr).first;
  Statement statement(std::exchange(entry->second, nullptr));
  if (statement.handle() == nullptr) {
    Result<Statement> made = prepare(sql);
    if (!made) return std::move(made).error();
    statement = std::move(made).value();
  }
  int index = 0;
  for (const Argument& argument : arguments) {
    ++index;
    switch (argument.kind) {
      case Argument::Kind::kNull:
        statement.bind_null(index);
        break;
      case Argument::Kind::kInteger:
        statement.bind(index, argument.integer);
        break;
      case Argument::Kind::kReal:
        statement.bind(index, argument.real);
        break;
      case Argument::Kind::kText:
        statement.bind(index, argument.text);
        break;
    }
  }
  return Query(*this, std::move(statement), &entry->second);
}

Result<std::int64_t> Connection::run(std::string_view sql, Arguments arguments) {
  Result<void> done = each(sql, arguments, [](const Statement&) {});
  if (!done) return std::move(done).error();
  return changes();
}

Result<std::optional<std::int64_t>> Connection::number(std::string_view sql, Arguments arguments) {
  std::optional<std::int64_t> found;
  bool first = true;
  Result<void> done = each(sql, arguments, [&](const Statement& row) {
    if (std::exchange(first, false) && !row.is_null(0)) found = row.integer(0);
  });
  if (!done) return std::move(done).error();
  return found;
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}
std::int64_t Connection::last_row() const {
  return sqlite3_last_insert_rowid(db_);
}
bool Connection::read_only() const {
  return sqlite3_db_readonly(db_, "main") == 1;
}
void Connection::interrupt() {
  sqlite3_interrupt(db_);
}
Error Connection::error(int code, std::string_view attempt) const {
  return failure(db_, code, path_, attempt);
}
void Connection::no_checkpoint_on_close() {
  (void)sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

}  // namespace assay::host::sqlite
