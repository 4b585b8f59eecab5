"""How far a long command is: a bar on a terminal, a line now and then anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ugc_cli import console
from ugc_core.clock import Clock

_LINE_EVERY_S = 5.0


class Meter(Protocol):
    """Is told how far it is."""

    def reach(self, done: int, note: str) -> None:
        """Say that `done` of the total is done; `note` is a few words for the person."""


@dataclass(kw_only=True)
class _Bar:
    bar: Progress
    total: int

    def __post_init__(self) -> None:
        self._task = self.bar.add_task("", total=max(self.total, 1), note="")

    def reach(self, done: int, note: str) -> None:
        self.bar.update(self._task, completed=done, note=note)


@dataclass(kw_only=True)
class Lines:
    """Says a line every few seconds, with the time that is left at the pace so far."""

    what: str
    total: int
    clock: Clock
    _began: float = field(init=False)
    _said: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the time."""
        self._began = self._said = self.clock.now()

    def reach(self, done: int, note: str) -> None:
        """Say so, unless it has just been said."""
        now = self.clock.now()
        if now - self._said < _LINE_EVERY_S:
            return
        self._said = now
        share = min(done / self.total, 1.0) if self.total else 1.0
        left = f", about {self.left_s(share, now):.0f} s left" if done else ""
        console.say(f"{self.what}: {share:.0%}, {note}{left}")

    def left_s(self, share: float, now: float) -> float:
        """Return the seconds that are left if it goes on at this pace."""
        return (now - self._began) * (1 - share) / share if share else 0.0


@contextmanager
def metered(what: str, total: int, clock: Clock) -> Iterator[Meter]:
    """Show how far `what` is, out of `total`."""
    talk = console.err()
    if not talk.is_terminal:
        yield Lines(what=what, total=total, clock=clock)
        return
    columns = (
        TextColumn(what, markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        yield _Bar(bar=bar, total=total)
