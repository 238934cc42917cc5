#include "server/store_mysql/mysql_status.h"

#include <cppconn/exception.h>

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace watchword::mysql {
namespace {

constexpr char kPayload[] = "watchword/mysql-failure";

struct Meaning {
  absl::StatusCode code;
  Failure failure;
};

// Numbers are those of MySQL 8 and MariaDB 10 and later; they agree except where both are named.
Meaning MeaningOf(int error) {
  switch (error) {
    case 1020:  // ER_CHECKREAD: record changed since the snapshot (MariaDB)
    case 1205:  // ER_LOCK_WAIT_TIMEOUT
    case 1213:  // ER_LOCK_DEADLOCK, also a failed certification of Galera
    case 1047:  // ER_UNKNOWN_COM_ERROR: Galera, not in the primary component yet
    case 3572:  // ER_LOCK_NOWAIT
      return {absl::StatusCode::kUnavailable, Failure::kConflict};
    case 1290:  // ER_OPTION_PREVENTS_STATEMENT: --read-only
    case 1792:  // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    case 1836:  // ER_READ_ONLY_MODE
    case 3100:  // ER_RUN_HOOK_ERROR: group replication, not the primary
      return {absl::StatusCode::kUnavailable, Failure::kReadOnly};
    case 0:     // the connector's own: the connection was closed
    case 1053:  // ER_SERVER_SHUTDOWN
    case 1079:  // ER_SHUTDOWN_COMPLETE
    case 1105:  // ER_UNKNOWN_ERROR: proxies
    case 1153:  // ER_NET_PACKET_TOO_LARGE: closes the connection
    case 1158:
    case 1159:
    case 1160:
    case 1161:  // ER_NET_…
    case 1317:  // ER_QUERY_INTERRUPTED: killed
    case 1927:  // ER_CONNECTION_KILLED
    case 1969:  // ER_STATEMENT_TIMEOUT (MariaDB)
    case 3024:  // ER_QUERY_TIMEOUT (MySQL)
    case 1040:  // ER_CON_COUNT_ERROR
    case 1129:  // ER_HOST_IS_BLOCKED
    case 1203:  // ER_TOO_MANY_USER_CONNECTIONS
    case 1226:  // ER_USER_LIMIT_REACHED
      return {absl::StatusCode::kUnavailable, Failure::kLost};
    case 1021:  // ER_DISK_FULL
    case 1037:  // ER_OUTOFMEMORY
    case 1041:  // ER_OUT_OF_RESOURCES
    case 1114:  // ER_RECORD_FILE_FULL
    case 1206:  // ER_LOCK_TABLE_FULL
      return {absl::StatusCode::kUnavailable, Failure::kOther};
    case 1062:  // ER_DUP_ENTRY
    case 1586:  // ER_DUP_ENTRY_WITH_KEY_NAME
      return {absl::StatusCode::kAlreadyExists, Failure::kOther};
    case 1048:  // ER_BAD_NULL_ERROR
    case 1264:  // ER_WARN_DATA_OUT_OF_RANGE
    case 1366:  // ER_TRUNCATED_WRONG_VALUE_FOR_FIELD
    case 1406:  // ER_DATA_TOO_LONG
    case 3819:  // ER_CHECK_CONSTRAINT_VIOLATED (MySQL)
    case 4025:  // ER_CONSTRAINT_FAILED (MariaDB)
      return {absl::StatusCode::kInvalidArgument, Failure::kOther};
    default:
      break;
  }
  // CR_…: whatever the client library says itself is about the connection.
  if (error >= 2000 && error < 3000) return {absl::StatusCode::kUnavailable, Failure::kLost};
  return {absl::StatusCode::kInternal, Failure::kOther};
}

// Some messages repeat values, as "Duplicate entry '…' for key 'name'".
std::string SafeMessage(int error, absl::StatusCode code, const char* what) {
  const bool may_hold_values = code == absl::StatusCode::kAlreadyExists || code == absl::StatusCode::kInvalidArgument;
  return absl::StrCat("MySQL: ", may_hold_values ? "the database refuses a value" : what, " (error ", error, ")");
}

}  // namespace

absl::Status CatchMysql(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const sql::SQLException& e) {
    const Meaning meaning = MeaningOf(e.getErrorCode());
    absl::Status status(meaning.code, SafeMessage(e.getErrorCode(), meaning.code, e.what()));
    status.SetPayload(kPayload, absl::Cord(absl::StrCat(static_cast<int>(meaning.failure))));
    return status;
  }
}

Failure FailureOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  int number = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &number)) return Failure::kNone;
  return static_cast<Failure>(number);
}

}  // namespace watchword::mysql
