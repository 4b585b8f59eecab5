"""Every adapter of every port, by name."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ugc_core.adapters.memory_log import MemoryLog
from ugc_core.clock import ManualClock
from ugc_core.settings import LogSection

OpenLog = Callable[..., AbstractAsyncContextManager[Any]]
"""Opens the log; a second call opens the same one again, as a restart would.

Keywords change the log's settings, `partitions=8` for one.
"""


@pytest.fixture(
    params=["memory", "sqlite"]  # Kafka joins here: pytest.param("kafka", marks=mark.cluster)
)
def open_log(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clock: ManualClock,
    open_memory_log: OpenLog,
    open_sqlite_log: OpenLog,
) -> OpenLog:
    """One log adapter per test run; the test never learns which."""
    memory = MemoryLog(clock=clock)
    openers: dict[str, Callable[[LogSection], AbstractAsyncContextManager[Any]]] = {
        "memory": lambda section: open_memory_log(memory, section),
        "sqlite": lambda section: open_sqlite_log(tmp_path / "log.db", section, clock),
    }

    def opened(**changes: object) -> AbstractAsyncContextManager[Any]:
        section = msgspec.structs.replace(LogSection(), **changes)
        return openers[request.param](section)

    return opened
