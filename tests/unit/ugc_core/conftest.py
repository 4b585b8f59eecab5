"""A log in a file, for every test that is about one."""

import pytest

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
