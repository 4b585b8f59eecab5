"""What a person sees while a load test runs: a line a second, on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status
from rich.text import Text

from ugc_cli import console
from ugc_cli.load_testing import summary
from ugc_cli.load_testing.exchanges import Plan
from ugc_cli.load_testing.running import Result

_LOOKS_A_LINE = 10
"""In a pipe, arrivals are told of after so many looks, about every five seconds."""


@dataclass(kw_only=True)
class Watcher:
    """One line that changes on a terminal; a line each time anywhere else."""

    plan: Plan
    talk: Console
    status: Status
    _looks: int = field(default=0, init=False)

    def tick(self, result: Result) -> None:
        """Show how the load goes."""
        self._say(summary.live_line(result, self.plan))

    def told(self, arrived: int, accepted: int) -> None:
        """Show how many have arrived."""
        if self.talk.is_terminal or self._looks % _LOOKS_A_LINE == 0:
            self._say(f"stored: {arrived} of {accepted} accepted reports")
        self._looks += 1

    def _say(self, line: str) -> None:
        if self.talk.is_terminal:
            self.status.update(Text(line))
        else:
            self.talk.print(Text(line), soft_wrap=True)


@contextmanager
def watched(plan: Plan) -> Iterator[Watcher]:
    """Show a load test."""
    talk = console.err()
    intro = f"{len(plan.tokens)} viewers against {plan.url}, {plan.duration_s:.0f} s"
    status = Status(Text(intro), console=talk)
    watcher = Watcher(plan=plan, talk=talk, status=status)
    if not talk.is_terminal:
        yield watcher
        return
    with status:
        yield watcher
