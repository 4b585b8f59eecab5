"""What the services say, and where."""

import contextlib
import json
import logging
import re
from collections.abc import Callable

import pytest
import structlog

from ugc_core import telemetry
from ugc_core.settings import LoggingSection, Settings
from ugc_core.telemetry import configure_logging


@pytest.fixture
def configured(logging_undone) -> Callable[..., structlog.typing.FilteringBoundLogger]:
    """Configure logging as a service does, and hand out a logger; undone afterwards."""

    def configure(**section: str) -> structlog.typing.FilteringBoundLogger:
        configure_logging(Settings(logging=LoggingSection(**section)), service="ugc-test")
        logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        return logger

    return configure


def test_lines_go_to_stderr_and_leave_stdout_to_data(configured, capsys):
    configured().info("partition_taken", partition=3)

    out, err = capsys.readouterr()
    assert out == ""
    assert "partition_taken" in err


def test_a_line_for_people_is_without_colour_where_nobody_looks(configured, capsys):
    configured(format="console").warning("trying_again", attempt=2)

    line = capsys.readouterr().err
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning +\] trying_again ", line)
    assert "attempt=2" in line
    assert "\x1b" not in line


def test_a_line_for_collectors_is_one_json_object_with_its_fields(configured, capsys):
    configured(format="json").error("dead_letters", count=2, reason="two\nlines")

    [line] = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", found.pop("timestamp"))
    assert found == {
        "event": "dead_letters",
        "level": "error",
        "service": "ugc-test",
        "count": 2,
        "reason": "two\nlines",
    }


def test_a_traceback_stays_inside_its_json_object(configured, capsys):
    logger = configured(format="json")
    try:
        1 / 0  # noqa: B018 - the error is what is wanted
    except ZeroDivisionError:
        logger.exception("broken")

    [line] = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lines_below_the_level_are_not_said(configured, capsys, level, said):
    logger = configured(level=level, format="json")

    for each in ("debug", "info", "warning", "error"):
        getattr(logger, each)("something")

    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["level"] for line in lines] == said


def test_every_metric_is_named_as_prometheus_wants_it():
    names = {
        name: value
        for name, value in vars(telemetry).items()
        if name.startswith(("API_", "ETL_")) and isinstance(value, str)
    }

    assert len({*names.values()}) == len(names) >= 10
    for name, value in names.items():
        assert re.fullmatch(r"ugc_(api|etl)_[a-z_]+", value)
        assert value.startswith(f"ugc_{name[:3].lower()}_")
        assert re.search(
            r"_(total|seconds|bytes|in_flight|partitions|workers|connections)\Z", value
        )


def test_a_warning_of_another_library_has_the_same_form(configured, capsys):
    configured(format="json")

    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")

    [line] = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found["event"] == "Invalid HTTP request received."
    assert (found["level"], found["service"]) == ("warning", "ugc-test")


def test_a_line_that_finds_no_room_costs_nothing_but_the_line(configured, monkeypatch):
    with open("/dev/full", "w", buffering=1) as full:  # noqa: PTH123
        monkeypatch.setattr("sys.stderr", full)
        configured().warning("lost")
        logging.getLogger("another.library").warning("lost as well")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
