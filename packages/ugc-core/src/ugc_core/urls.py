"""The two URLs that decide where the log and the warehouse are.

There is no flag for a mode anywhere: the type of what `log_target` returns is the mode.
"""

import re
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from ugc_core.errors import ConfigError

IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_CREDENTIALS = re.compile(r"[^/@,\s]*@")
_CLICKHOUSE_PORT = 9000


class SqliteLogTarget(Struct, frozen=True, kw_only=True):
    """The log is one file on this machine.

    Attributes:
        path: The SQLite file.
    """

    path: Path


class KafkaLogTarget(Struct, frozen=True, kw_only=True):
    """The log is a Kafka cluster.

    Attributes:
        servers: `host:port` of some brokers.
    """

    servers: tuple[str, ...]


LogTarget = SqliteLogTarget | KafkaLogTarget


class Node(NamedTuple):
    """Where a ClickHouse server listens for the native protocol."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class WarehouseTarget(Struct, frozen=True, kw_only=True):
    """A ClickHouse server, or a cluster and the nodes to learn its other nodes from.

    Attributes:
        host: Name or address of the server, or of the first node.
        port: Port of the native protocol.
        database: Database of our tables.
        cluster: Name of the cluster as in `system.clusters`; None for a single server.
        others: More nodes to start from, for when the first is down.
    """

    host: str
    port: int
    database: str
    cluster: str | None = None
    others: tuple[Node, ...] = ()

    @property
    def seeds(self) -> tuple[Node, ...]:
        """The nodes that the URL names."""
        return (Node(self.host, self.port), *self.others)


def log_target(url: str) -> LogTarget:
    """Read a log URL.

    Raises:
        ConfigError: It has another form.
    """
    scheme, _, rest = url.partition("://")
    match scheme:
        case "sqlite" if rest.startswith("/") and len(rest) > 1:
            return SqliteLogTarget(path=Path(rest[1:]))
        case "kafka" if servers := tuple(filter(None, rest.rstrip("/").split(","))):
            return KafkaLogTarget(servers=tuple(map(_server, servers)))
        case _:
            return _refuse("log.url", "sqlite:///path/log.db or kafka://host:9092,host:9092", url)


def warehouse_target(url: str) -> WarehouseTarget:
    """Read a warehouse URL; a cluster's may name several nodes, `h1:9000,h2:9000`.

    Raises:
        ConfigError: It has another form, or carries a password.
    """
    expected = "clickhouse://HOST:9000/DATABASE?cluster=NAME"
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        if "@" in parts.netloc:
            raise _credentials()
        nodes = [*map(_node, parts.netloc.split(","))]
    except ValueError:
        _refuse("warehouse.url", expected, url)
    database, clusters = parts.path.strip("/"), query.pop("cluster", [])
    names = [database, *clusters]
    if parts.scheme != "clickhouse" or query or len(clusters) > 1:
        _refuse("warehouse.url", expected, url)
    if len(nodes) > 1 and not clusters:
        _refuse("warehouse.url", f"{expected} (several hosts are a cluster's)", url)
    if not all(IDENTIFIER.match(name) for name in names):
        _refuse("warehouse.url", f"{expected}, names of letters, digits and underscores", url)
    first, *others = nodes
    return WarehouseTarget(
        host=first.host,
        port=first.port,
        database=database,
        cluster=next(iter(clusters), None),
        others=tuple(others),
    )


def _node(text: str) -> Node:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return Node(parts.hostname, parts.port or _CLICKHOUSE_PORT)


def _credentials() -> ConfigError:
    msg = (
        "warehouse.url must not carry a user or password: URLs end up in logs;"
        " use warehouse.user and warehouse.password_file"
    )
    return ConfigError(msg)


def _server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or "@" in host or not port.isdecimal():
        _refuse("log.url", "kafka://host:9092,host:9092", text)
    return text


def _refuse(setting: str, expected: str, found: str) -> NoReturn:
    shown = _CREDENTIALS.sub("***@", found)  # a refused URL may carry a password
    msg = f"{setting} must look like {expected}; found {shown!r}"
    raise ConfigError(msg)
