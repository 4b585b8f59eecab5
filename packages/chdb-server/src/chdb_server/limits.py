"""How much one client may take, and how long it may keep us waiting."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what clients may hold.

    Attributes:
        max_connections: Logged in at once; a thread each.
        max_insert_bytes: Rows of one INSERT, buffered until all are here.
        max_sql_bytes: A query's text, with the rows that may stand in it.
        handshake_s: From connecting to being logged in.
        idle_s: Between two queries; ClickHouse's default.
        receive_s: Within a query or an INSERT, for the next bytes; ClickHouse's default.
        send_s: For the client to take the next bytes of a result; ClickHouse's default.
        kill_s: For a query that was killed to notice, and again for its session to end.
    """

    max_connections: int = 64
    max_insert_bytes: int = 256 * MIB
    max_sql_bytes: int = 64 * MIB
    handshake_s: float = 10.0
    idle_s: float = 3600.0
    receive_s: float = 300.0
    send_s: float = 300.0
    kill_s: float = 3.0
