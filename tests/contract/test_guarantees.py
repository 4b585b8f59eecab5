"""Every promise in a port's docstring has a test, and every test has a promise."""

import re
from pathlib import Path

from ugc_core.log import LogAdmin, LogCommitter, LogReader, LogScanner, LogScrubber, LogWriter
from ugc_core.log_operator import LogOperator
from ugc_etl.ports import ViewsStore

PORTS = (
    *(LogWriter, LogReader, LogCommitter, LogAdmin, LogScanner, LogScrubber, LogOperator),
    ViewsStore,
)
HERE = Path(__file__).parent


def test_promises_and_tests_match():
    promised = {
        found
        for port in PORTS
        for found in re.findall(r"^\s*([A-Z]+-\d+): ", port.__doc__ or "", re.MULTILINE)
    }
    tested = {
        found
        for path in HERE.glob("test_*.py")
        for found in re.findall(r'guarantee\("([A-Z]+-\d+)"\)', path.read_text("utf-8"))
    }

    assert promised
    assert tested == promised


def test_promises_are_numbered_without_a_gap():
    numbers = [
        int(found)
        for port in PORTS
        for found in re.findall(r"^\s*LOG-(\d+): ", port.__doc__ or "", re.MULTILINE)
    ]

    assert numbers == list(range(1, len(numbers) + 1))
