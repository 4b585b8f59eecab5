"""The command line as a whole: its help, and how errors end it."""

import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ugc_cli.app import app

COMMANDS = [
    "up",
    "init",
    "status",
    "doctor",
    "query",
    "token",
    "load-test",
    "verify",
    "trace",
    "forget",
    "archive",
    "offsets show",
    "offsets reset",
    "dlq ls",
    "dlq show",
    "dlq redrive",
    "dlq drop",
    "replay log",
    "replay file",
    "api",
    "etl",
    "config show",
]
runner = CliRunner()


def plain(text: str) -> str:
    """Return text without colours: Typer forces them in some CI systems."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_every_command_is_known_here():
    top = get_command(app)
    names = set(top.commands)  # type: ignore[attr-defined]

    assert names == {command.split()[0] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example(command):
    shown = runner.invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})

    text = plain(shown.output)
    assert shown.exit_code == 0
    assert re.search(rf"Example: .*ugc {command}\b", text)
    assert text.count("<bool>") == 1  # Typer's own --help; a switch of ours takes no value


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["config", "--help"]])
def test_help_is_no_error(words):
    assert runner.invoke(app, words).exit_code == 0


def test_the_help_breaks_its_paragraphs_only_where_the_line_is_full():
    shown = runner.invoke(app, ["up", "--help"], env={"COLUMNS": "80"})

    lines = [line.strip() for line in plain(shown.output).splitlines()]
    first = next(n for n, line in enumerate(lines) if line.startswith("Starts an embedded"))
    assert len(lines[first]) > 60
    assert len(lines[first + 1]) > 60


def test_the_help_says_what_the_exit_codes_mean():
    shown = runner.invoke(app, ["--help"], env={"COLUMNS": "200"})

    for meaning in ("0 ok", "1 failure", "2 usage", "4 a dependency", "5 bad configuration"):
        assert meaning in plain(shown.output)


@pytest.mark.parametrize("words", [["nonsense"], ["up", "--nonsense"], ["token"], ["query"], []])
def test_wrong_usage_ends_with_2(words):
    assert runner.invoke(app, words).exit_code == 2


def test_the_version_is_a_line():
    assert re.fullmatch(r"ugc \d+\.\d+\.\d+\n", runner.invoke(app, ["--version"]).output)
