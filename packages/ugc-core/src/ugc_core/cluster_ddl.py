"""What the nodes of a cluster say of a statement that was sent ON CLUSTER: read, not hoped."""

import msgspec

from ugc_core.errors import QueryRefusedError, UgcError, WarehouseUnavailableError
from ugc_core.warehouse import Answer


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """One node's row of the answer.

    Attributes:
        host: The node.
        port: Its port.
        status: 0 if it is done, an error code, or None if it has not got there yet.
        error: What went wrong.
    """

    host: str
    port: int
    status: int | None = None
    error: str | None = None


def refuse_unfinished(answer: Answer, sql: str) -> None:
    """Raise unless every node says that it is done.

    Raises:
        QueryRefusedError: A node refused; the statement must be mended.
        WarehouseUnavailableError: A node has not done it yet; it will, once it is up.
    """
    said = [
        msgspec.convert(dict(zip(answer.names, row, strict=True)), _Said) for row in answer.rows
    ]
    if not said:
        msg = f"no node answered to {_head(sql)}"
        raise WarehouseUnavailableError(msg)
    refused = [f"{one.host}:{one.port}: {one.error}" for one in said if one.status]
    late = [f"{one.host}:{one.port}" for one in said if one.status is None]
    if refused:
        raise _error(QueryRefusedError, f"refused by {'; '.join(refused)}", sql)
    if late:
        reason = f"not done yet by {', '.join(late)}; they do it once they are up"
        raise _error(WarehouseUnavailableError, reason, sql)


def _error(kind: type[UgcError], reason: str, sql: str) -> UgcError:
    return kind(f"{_head(sql)}: {reason}; then run `ugc init` again")


def _head(sql: str) -> str:
    return sql.split("\n", 1)[0][:120]
