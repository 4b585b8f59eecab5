"""ClickHouse's error codes, sorted by what the caller does next.

Source of the codes: `src/Common/ErrorCodes.cpp` of ClickHouse.
"""

from ugc_core.errors import (
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    UgcError,
    WarehouseUnavailableError,
)

_TRY_AGAIN = {
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    173: "CANNOT_ALLOCATE_MEMORY",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    254: "NO_ACTIVE_REPLICAS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    289: "REPLICA_IS_NOT_IN_QUORUM",
    319: "UNKNOWN_STATUS_OF_INSERT",
    341: "UNFINISHED",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    517: "CANNOT_ASSIGN_ALTER",
    999: "KEEPER_EXCEPTION",
    1002: "UNKNOWN_EXCEPTION",
}
_NO_SUCH_THING = {
    8: "THERE_IS_NO_COLUMN",
    16: "NO_SUCH_COLUMN_IN_TABLE",
    47: "UNKNOWN_IDENTIFIER",
    60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE",
}
_BAD_VALUE = {
    6: "CANNOT_PARSE_TEXT",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    117: "INCORRECT_DATA",
    131: "TOO_LARGE_STRING_SIZE",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
}


def refused_query(code: int, text: str) -> UgcError:
    """Return the error of a refused read or statement."""
    if code in _TRY_AGAIN:
        return WarehouseUnavailableError(_say(code, text))
    return QueryRefusedError(_say(code, text))


def refused_insert(code: int, text: str) -> UgcError:
    """Return the error of a refused insert."""
    if code in _BAD_VALUE:
        return RowsRefusedError(_say(code, text))
    if code in _NO_SUCH_THING:
        return SchemaMismatchError(f"{_say(code, text)}; run `ugc init`")
    return refused_query(code, text)


def _say(code: int, text: str) -> str:
    return f"ClickHouse says (code {code}): {text.removeprefix('DB::Exception: ')}"
