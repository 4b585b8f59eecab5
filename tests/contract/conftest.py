"""Every adapter of every port, by name."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from harness.kafka import Brokers
from msgspec.structs import replace

from tests.kafka_logs import kafka_section
from ugc_core.adapters.memory_log import MemoryLog
from ugc_core.clock import ManualClock
from ugc_core.settings import LogSection

OpenLog = Callable[..., AbstractAsyncContextManager[Any]]
"""Opens the log; a second call opens the same one again, as a restart would.

Keywords change the log's settings, `partitions=8` for one.
"""


@pytest.fixture(params=["memory", "sqlite", "kafka"])
def open_log(request: pytest.FixtureRequest) -> OpenLog:
    """One log adapter per test run; the test never learns which."""
    opened: OpenLog = request.getfixturevalue(f"open_{request.param}")
    return opened


@pytest.fixture(params=["memory", "sqlite"])
def open_embedded_log(request: pytest.FixtureRequest) -> OpenLog:
    """One of the adapters that look after their records themselves, unlike Kafka's brokers."""
    opened: OpenLog = request.getfixturevalue(f"open_{request.param}")
    return opened


@pytest.fixture
def open_memory(clock: ManualClock, open_memory_log: OpenLog) -> OpenLog:
    memory = MemoryLog(clock=clock)
    return lambda **changes: open_memory_log(memory, replace(LogSection(), **changes))


@pytest.fixture
def open_sqlite(tmp_path: Path, clock: ManualClock, open_sqlite_log: OpenLog) -> OpenLog:
    path = tmp_path / "log.db"
    return lambda **changes: open_sqlite_log(path, replace(LogSection(), **changes), clock)


@pytest.fixture
def open_kafka(kafka: Brokers, clock: ManualClock, open_kafka_log: OpenLog) -> OpenLog:
    section = kafka_section(kafka.url)
    return lambda **changes: open_kafka_log(replace(section, **changes), clock)
