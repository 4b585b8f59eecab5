"""Packets as both sides write them, for the revision of the protocol spoken here."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from chdb_server.errors import NOT_IMPLEMENTED, ProtocolError
from chdb_server.wire import Reader, string, varint

REVISION = 54440
"""Settings travel as strings; above it come the interserver secret, traces, profile events."""

OLDEST_REVISION = 54401
"""Every client since ClickHouse 18.10; below it, replies have other fields."""

SETTINGS_AS_STRINGS = 54429

LONGEST_SETTING = 1 << 20
"""Bytes; some settings hold expressions."""

STAGE_COMPLETE = 2
DISPLAY_NAME = "chdb-server"
UNKNOWN_SETTING = 115


class ClientPacket(IntEnum):
    """What a client says."""

    HELLO = 0
    QUERY = 1
    DATA = 2
    CANCEL = 3
    PING = 4


class ServerPacket(IntEnum):
    """What we say.

    Never Progress: asynch reads one packet after an INSERT and would miss the error
    behind it.
    """

    HELLO = 0
    DATA = 1
    EXCEPTION = 2
    PONG = 4
    END_OF_STREAM = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """A client's first words."""

    revision: int
    database: str
    user: str
    password: str

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Hello({self.revision}, {self.user!r})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A client's question.

    Attributes:
        settings: For this query only.
        packed: Whether blocks travel compressed, both ways.
    """

    sql: str
    settings: Mapping[str, str]
    packed: bool


NumericSettings = Mapping[str, bool]
"""Whether the setting of that name is a number; old clients write those as varints."""


async def read_hello(reader: Reader) -> Hello:
    """Read the packet that opens a connection, its kind included."""
    if await reader.varint() != ClientPacket.HELLO:
        msg = "this port speaks ClickHouse's native protocol"
        raise ProtocolError(msg)
    await reader.string()  # the client's name and version
    await reader.varint()
    await reader.varint()
    revision = await reader.varint()
    if revision < OLDEST_REVISION:
        msg = f"a client of revision {revision}; the oldest known here is {OLDEST_REVISION}"
        raise ProtocolError(msg)
    return Hello(
        revision=min(revision, REVISION),
        database=await reader.string(),
        user=await reader.string(),
        password=await reader.string(),
    )


async def read_query(
    reader: Reader, revision: int, numeric: NumericSettings, *, longest_sql: int
) -> Query:
    """Read a query, after its packet's kind.

    Raises:
        ProtocolError: It is for a server among others, or a setting's end is unknown.
    """
    await reader.string()  # query id
    await _pass_client_info(reader)
    settings = await _read_settings(reader, revision, numeric)
    stage = await reader.varint()
    packed = bool(await reader.varint())
    sql = await reader.string(longest_sql)
    if stage != STAGE_COMPLETE:
        msg = "only whole queries are answered; this is no shard of a cluster"
        raise ProtocolError(msg, code=NOT_IMPLEMENTED)
    return Query(sql=sql, settings=settings, packed=packed)


async def _pass_client_info(reader: Reader) -> None:
    if not await reader.byte():  # no query kind: nothing follows
        return
    for _ in range(3):  # initial user, initial query id, address
        await reader.string()
    await reader.byte()  # interface
    for _ in range(3):  # system's user, host, client's name
        await reader.string()
    for _ in range(3):  # the client's version and revision
        await reader.varint()
    await reader.string()  # quota key
    await reader.varint()  # patch


async def _read_settings(reader: Reader, revision: int, numeric: NumericSettings) -> dict[str, str]:
    settings = {}
    while name := await reader.string():
        if revision >= SETTINGS_AS_STRINGS:
            await reader.varint()  # importance
            settings[name] = await reader.string(LONGEST_SETTING)
        elif _is_number(name, numeric):
            settings[name] = str(await reader.varint())
        else:
            settings[name] = await reader.string()
    return settings


def _is_number(name: str, numeric: NumericSettings) -> bool:
    if name not in numeric:
        msg = "a setting unknown here, from a client too old to say where its value ends"
        raise ProtocolError(msg, code=UNKNOWN_SETTING)
    return numeric[name]


def hello(version: tuple[int, int, int], timezone: str) -> bytes:
    """Answer a client's hello; patch and display name are read since `OLDEST_REVISION`."""
    major, minor, patch = version
    return (
        varint(ServerPacket.HELLO)
        + string("ClickHouse")
        + varint(major)
        + varint(minor)
        + varint(REVISION)
        + string(timezone)
        + string(DISPLAY_NAME)
        + varint(patch)
    )


def exception(code: int, text: str) -> bytes:
    """An error, without a stack trace and without a nested one."""
    text = text if text.startswith("DB::") else f"DB::Exception: {text}"
    return (
        varint(ServerPacket.EXCEPTION)
        + struct.pack("<i", code)
        + string("DB::Exception")
        + string(text)
        + string("")
        + b"\x00"
    )


def data(block: bytes) -> bytes:
    """A block, packed or not, of the query's result."""
    return varint(ServerPacket.DATA) + string("") + block


PONG = varint(ServerPacket.PONG)
END_OF_STREAM = varint(ServerPacket.END_OF_STREAM)
