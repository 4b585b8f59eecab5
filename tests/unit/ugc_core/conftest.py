"""A log in a file, for every test that is about one; logging as it was, after those of that."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.unit.ugc_core.sqlite_logs import section


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def open_log(path, clock, open_sqlite_log):
    """Open the log with one partition; a second call opens the same one again."""

    def opened(**changes):
        return open_sqlite_log(path, section(**changes), clock)

    return opened


@pytest.fixture
def logging_undone() -> Iterator[None]:
    """Leave logging, which is one for the whole process, as it was."""
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
