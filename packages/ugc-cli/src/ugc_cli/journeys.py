"""A traced line in words: where it is, and how far it has come."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from ugc_cli import console
from ugc_etl.verification.stages import Line, Stage

_STYLES = {Stage.LOST: "bold red", Stage.UNERASED: "bold red", Stage.WAITING: "yellow"}
_TEXT_CHARACTERS = 200


def show(line: Line, meaning: str) -> None:
    """Print one line's journey on stdout."""
    printer = console.out()
    printer.print(Text(line.receipt, "bold"), soft_wrap=True)
    stage = Text(f"  {'stage':<8} ").append(line.stage.value, _STYLES.get(line.stage, "green"))
    printer.print(stage.append(f": {meaning}"), soft_wrap=True)
    for name, value in _facts(line):
        printer.print(Text(f"  {name:<8} {console.cell(value)}"), soft_wrap=True)


def _facts(line: Line) -> Iterator[tuple[str, str]]:
    if line.event_id:
        yield "event", line.event_id
    yield "log", _in_log(line)
    if line.text is not None:
        cut = line.text[:_TEXT_CHARACTERS]
        yield "line", cut if cut == line.text else f"{cut}…"
    if line.wrong:
        yield "wrong", line.wrong
    yield from _batches(line)
    if line.row is not None:
        row = line.row
        yield "row", f"film {row.film_id}, user {row.user_id}, profile {row.profile_id}"
        yield "", f"from {row.receipt}, stored {console.cell(row.stored_at)}"
    if line.letter is not None:
        state = line.letter.resolution or "open"
        yield "letter", f"{line.letter.key} ({state}): {line.letter.reason}"
    if line.next:
        yield "next", line.next


def _batches(line: Line) -> Iterator[tuple[str, str]]:
    for batch in line.batches:
        span = batch.range
        counts = f"{batch.stored} stored, {batch.dead} dead, {batch.erased} erased"
        yield "batch", f"offsets {span.first} to {span.last}: {batch.lines} lines, {counts}"
    if not line.batches:
        yield "batch", "none in the ledger"


def _in_log(line: Line) -> str:
    if not line.in_log:
        return "not in the log any more: its retention is over"
    at = datetime.fromtimestamp((line.appended_at_ms or 0) / 1000, UTC)
    key = "" if line.key is None else f", key {line.key}"
    headers = " ".join(f"{name}={value}" for name, value in line.headers.items())
    return f"{console.cell(at)}{key}, {headers}"
