"""The command line."""

import argparse
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chdb_server.limits import MIB, Limits
from chdb_server.login import DEFAULT_USER, Login

HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line said.

    Attributes:
        max_memory_bytes: Of the engine, all queries and caches together.
        shutdown_s: How long running queries may take to end after SIGTERM.
    """

    data: Path
    host: str
    port: int
    login: Login
    limits: Limits
    max_memory_bytes: int
    shutdown_s: float


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """Parse; a mistake is explained on stderr and exits with 2."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if "?" in str(given.data.absolute()):
        parser.error("--data may not contain a question mark: chDB takes what follows for options")
    password = _password(parser, given.password_file)
    if not password and not _is_loopback(parser, given.host):
        parser.error(f"--host {given.host} is open to others: give a --password-file")
    limits = Limits(
        max_connections=given.max_connections, max_insert_bytes=given.max_insert_mib * MIB
    )
    return Options(
        data=given.data.absolute(),
        host=given.host,
        port=given.port,
        login=Login(user=given.user, password=password),
        limits=limits,
        max_memory_bytes=given.max_memory_mib * MIB,
        shutdown_s=given.shutdown_s,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chdb-server",
        description="Serve chDB over ClickHouse's native protocol.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="the store; made if need be")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=port_number, default=9000, help="0 lets the system choose")
    add("--user", default=DEFAULT_USER, help="the one user there is")
    add("--password-file", type=Path, metavar="FILE", help="its password; no file, no password")
    add(
        "--max-memory-mib", type=whole_number, default=1024, metavar="N", help="the engine's memory"
    )
    add("--max-insert-mib", type=whole_number, default=256, metavar="N", help="rows of one INSERT")
    add("--max-connections", type=whole_number, default=64, metavar="N", help="clients at once")
    add("--shutdown-s", type=seconds, default=10.0, metavar="S", help="drain deadline")
    return parser


def port_number(text: str) -> int:
    """Read a port; argparse shows the function's name for a text that is no number."""
    port = int(text)
    if not 0 <= port <= HIGHEST_PORT:
        msg = f"{text} is no port"
        raise argparse.ArgumentTypeError(msg)
    return port


def whole_number(text: str) -> int:
    """Read a number from 1 up."""
    number = int(text)
    if number < 1:
        msg = f"{text} is less than 1"
        raise argparse.ArgumentTypeError(msg)
    return number


def seconds(text: str) -> float:
    """Read a span of time."""
    span = float(text)
    if not 0 <= span < float("inf"):
        msg = f"{text} is no span of time"
        raise argparse.ArgumentTypeError(msg)
    return span


def _password(parser: argparse.ArgumentParser, path: Path | None) -> str:
    """The file's first line ending falls away, as editors add one."""
    if path is None:
        return ""
    try:
        password = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"--password-file {path}: {error}")
    if not password:
        parser.error(f"--password-file {path} is empty")
    return password


def _is_loopback(parser: argparse.ArgumentParser, host: str) -> bool:
    """Whether every address that the host stands for is this machine's own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        parser.error(f"--host {host}: {error.strerror}")
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)
