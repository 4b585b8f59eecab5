"""chdb-server alone: a socket and ready-made bytes, no client library.

Baseline, in the same invocation: chDB called directly in a process of its own, the same
statements.
"""

import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import psutil
from harness.results import write

from chdb_server.blocks import BLOCK_INFO
from chdb_server.packets import END_OF_STREAM, REVISION, ClientPacket, ServerPacket
from chdb_server.wire import string, varint

REPEATS = 1000
ROWS, BLOCKS = 50_000, 40
EMPTY_BLOCK = varint(ClientPacket.DATA) + string("") + BLOCK_INFO + b"\0\0"
CREATE = (
    "CREATE OR REPLACE TABLE default.measured (id UUID, n UInt32, at UInt64, kind String)"
    " ENGINE = MergeTree ORDER BY id"
)
INSERT = "INSERT INTO default.measured VALUES"


class Connection:
    """The least that a client has to say."""

    def __init__(self, port: int) -> None:
        """Log in as `default`."""
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = string("measure") + varint(1) + varint(0) + varint(REVISION)
        login = string("default") + string("default") + string("")
        self._socket.sendall(varint(ClientPacket.HELLO) + name + login)
        self._socket.recv(1 << 16)

    def ask(self, sql: str) -> None:
        """Run a statement and read its answer."""
        self._send_query(sql)
        self._read_to(END_OF_STREAM)

    def insert(self, sql: str, *blocks: bytes) -> None:
        """Run an INSERT with these blocks."""
        self._send_query(sql)
        self._read_to(string("String"))  # the last column of the header
        for block in blocks:
            self._socket.sendall(varint(ClientPacket.DATA) + string("") + BLOCK_INFO + block)
        self._socket.sendall(EMPTY_BLOCK)
        self._read_to(END_OF_STREAM)

    def _send_query(self, sql: str) -> None:
        no_info, no_settings = b"\0", string("")
        head = varint(ClientPacket.QUERY) + string("") + no_info + no_settings
        self._socket.sendall(head + varint(2) + varint(0) + string(sql) + EMPTY_BLOCK)

    def _read_to(self, end: bytes) -> None:
        data = b""
        while not data.endswith(end):
            data += self._socket.recv(1 << 16)
            if data[0] == ServerPacket.EXCEPTION or not data:
                raise SystemExit(data.decode("utf-8", "replace"))


def block(rows: int) -> bytes:
    """Rows of random bytes."""
    kinds = b"".join(string(f"kind {number % 7}") for number in range(rows))
    columns = (
        ("id", "UUID", os.urandom(16 * rows)),
        ("n", "UInt32", struct.pack(f"<{rows}I", *range(rows))),
        ("at", "UInt64", os.urandom(8 * rows)),
        ("kind", "String", kinds),
    )
    body = b"".join(string(name) + string(kind) + data for name, kind, data in columns)
    return varint(len(columns)) + varint(rows) + body


def milliseconds(work: Callable[[], None]) -> float:
    """The median of many runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1000, 2)


@contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    """Start a chdb-server on an empty directory; yield its port and its process."""
    with TemporaryDirectory(prefix="chdb-bench-") as folder:
        command = [sys.executable, "-m", "chdb_server", "--data", folder, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            ready = process.stdout.readline() if process.stdout else ""
            yield (
                int(ready.split(" on ")[1].split()[0].rsplit(":", 1)[1]),
                psutil.Process(process.pid),
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def over_the_wire() -> dict[str, float]:
    """Measure a server."""
    with server() as (port, process):
        connection = Connection(port)
        idle = process.memory_info().rss
        connection.ask(CREATE)
        one, many = block(1), [block(ROWS) for _ in range(BLOCKS)]
        result = {
            "select_1_ms": milliseconds(lambda: connection.ask("SELECT 1")),
            "insert_1_row_ms": milliseconds(lambda: connection.insert(INSERT, one)),
        }
        start = time.perf_counter()
        for rows in many:
            connection.insert(INSERT, rows)
        result["insert_rows_per_s"] = round(ROWS * BLOCKS / (time.perf_counter() - start))
        result["resident_mib_idle"] = round(idle / 2**20)
        result["resident_mib_after"] = round(process.memory_info().rss / 2**20)
        return result


_ALONE = """
import json, statistics, sys, tempfile, time, chdb
database = chdb.connect(tempfile.mkdtemp())
def milliseconds(sql):
    times = []
    for _ in range(int(sys.argv[1])):
        start = time.perf_counter()
        database.query(sql, "Native")
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1000, 2)
database.query(sys.argv[2])
row = "('01900000-0000-7000-8000-000000000001', 1, 1, 'kind 1')"
print(json.dumps({"select_1_ms": milliseconds("SELECT 1"),
    "insert_1_row_ms": milliseconds("INSERT INTO default.measured VALUES " + row)}))
"""


def alone() -> dict[str, float]:
    """Measure chDB without a server."""
    command = [sys.executable, "-c", _ALONE, str(REPEATS), CREATE]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(found.stdout)
    return measured


def main() -> None:
    """Measure both and keep the result."""
    figures = {"server": over_the_wire(), "baseline": "chDB called directly", "alone": alone()}
    print(write("native_protocol", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
