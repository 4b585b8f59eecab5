"""What the command and its load generator say to each other, a JSON object a line."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ugc_cli.load_testing.scenario import Scenario

Outcome = Literal["a", "r", "u"]
"""What became of a report: accepted, refused, or unknown (it may be kept or not)."""
ACCEPTED: Outcome = "a"
REFUSED: Outcome = "r"
UNKNOWN: Outcome = "u"


READY = b"ready\n"
"""The generator's first line, once the load begins."""


class Plan(Struct, frozen=True, kw_only=True):
    """What the generator shall do; it comes on its stdin.

    Attributes:
        url: Root of the API.
        tokens: One for each viewer.
        every_s: Seconds from one request of a viewer to its next.
        duration_s: How long.
        scenario: What the viewers do.
        seed: Makes their choices the same each time.
        report: File for Locust's HTML report.
    """

    url: str
    tokens: Sequence[str]
    every_s: float
    duration_s: float
    scenario: Scenario
    seed: int
    report: str | None = None


class Exchange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and what became of it; one line of the generator's stdout.

    Attributes:
        name: What was sent.
        viewer: Number of the viewer.
        ms: How long the answer took.
        status: The answer's status; 0: there was none.
        error: What went wrong; empty: nothing.
        ids: Event ids of the reports, in order.
        outcomes: What became of each.
    """

    name: str
    viewer: int
    ms: float
    status: int
    error: str = ""
    ids: Sequence[str] = ()
    outcomes: str = ""
