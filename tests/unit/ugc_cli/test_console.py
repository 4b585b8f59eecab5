"""What goes to a terminal, and what into a pipe."""

from datetime import UTC, datetime

import pytest

from ugc_cli import console

ESCAPE = "\x1b"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, should there be one."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich's own switch: treat what is written to as a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "True"),
        (1.5, "1.5"),
        ("", ""),
        ("[red]as it is[/red] :100:", "[red]as it is[/red] :100:"),
        ("a\tb", r"a\tb"),
        ("a\nb\r\nc", r"a\nb\r\nc"),
        (r"a\nb", r"a\\nb"),
        (f"{ESCAPE}[2J", r"\x1b[2J"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("телевизор 📺", "телевизор 📺"),
        (datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC), "2026-01-02 03:04:05.678Z"),
    ],
)
def test_a_value_is_one_line_that_no_terminal_obeys(value, text):
    assert console.cell(value) == text


def test_a_table_in_a_pipe_is_tab_separated_values(capsys):
    console.emit_table(["n", "text"], [(1, "a\tb"), (2, None)])

    assert capsys.readouterr().out == "n\ttext\n1\ta\\tb\n2\t\n"


def test_a_table_without_rows_is_its_header(capsys):
    console.emit_table(["n", "text"], [])

    assert capsys.readouterr().out == "n\ttext\n"


@pytest.mark.usefixtures("terminal")
def test_a_table_on_a_terminal_has_numbers_to_the_right(capsys):
    console.emit_table(["number", "text"], [(1, "[b]x"), (20, ":100:")], title="Title")

    out = capsys.readouterr().out
    assert "│      1 │ [b]x  │" in out
    assert "│     20 │ :100: │" in out
    assert "Title" in out


@pytest.mark.usefixtures("terminal")
def test_a_table_too_wide_for_the_terminal_is_one_value_to_a_line(capsys):
    headers = [f"column_{n}" for n in range(10)]
    url = "https://example.org/" + "long/" * 20

    console.emit_table(headers, [(*range(9), url), tuple("abcdefghij")])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 22
    assert "row 1" in lines[0]
    assert lines[1] == "  column_0  0"
    assert lines[10] == f"  column_9  {url}"
    assert lines[12] == "  column_0  a"


@pytest.mark.usefixtures("terminal")
def test_a_wide_table_without_rows_says_so(capsys):
    console.emit_table([f"column_{n}" for n in range(10)], [])

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "no rows\n")


@pytest.mark.usefixtures("terminal")
def test_a_few_columns_that_are_too_wide_stay_a_table(capsys):
    console.emit_table(["a", "b"], [("x" * 100, "y")])

    assert capsys.readouterr().out.count("x") == 100


def test_talk_in_a_pipe_is_one_line_as_it_is(capsys):
    message = "error: [bold]no markup[/bold] :100: " + "word " * 40 + "end"

    console.say(message, style="red")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"{message}\n")


@pytest.mark.usefixtures("terminal")
def test_talk_on_a_terminal_breaks_between_words_and_keeps_paths_whole(capsys):
    path = "/a-very-long" * 10

    console.say(f"error: {'word ' * 20}see {path} now\n  log: x", style=None)

    lines = capsys.readouterr().err.splitlines()
    assert all(len(line) <= 80 for line in lines if path not in line)
    assert any(line.strip() == path for line in lines)
    assert lines[-1] == "  log: x"


@pytest.mark.usefixtures("terminal")
def test_colour_is_for_those_who_want_it(capsys, monkeypatch):
    console.say("careful", style="red")
    assert f"{ESCAPE}[31m" in capsys.readouterr().err

    monkeypatch.setenv("NO_COLOR", "1")
    console.say("careful", style="red")
    assert f"{ESCAPE}[31m" not in capsys.readouterr().err


def test_json_is_one_line_and_knows_every_type(capsys):
    console.emit_json({"at": datetime(2026, 1, 2, tzinfo=UTC), "none": None, "text": "a\nb"})

    assert capsys.readouterr().out == ('{"at":"2026-01-02T00:00:00Z","none":null,"text":"a\\nb"}\n')
