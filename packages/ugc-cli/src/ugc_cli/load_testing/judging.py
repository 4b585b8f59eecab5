"""What an answer says about the reports of a request."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from ugc_cli.load_testing.exchanges import ACCEPTED, REFUSED, UNKNOWN
from ugc_cli.load_testing.viewing import Turn

_ACCEPTED = 202
_OK = 200
_NOT_FOUND = 404
_AGAIN = frozenset({0, 408, 425, 429})
"""A player sends the same once more; so it does after every 5xx."""
_SERVER_ERRORS = 500
_KEPT = frozenset({"accepted", "duplicate"})


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a request.

    Attributes:
        outcomes: A letter a report, see `Outcome`.
        error: What went wrong; empty: nothing.
    """

    outcomes: str
    error: str = ""


class _Problem(Struct):
    title: str = ""
    detail: str = ""


class _Item(Struct):
    status: str
    problem: _Problem = msgspec.field(default_factory=_Problem)


class _Batch(Struct):
    items: Sequence[_Item]


def judge(turn: Turn, status: int, body: bytes) -> Verdict:
    """Judge an answer; status 0 is none at all."""
    if not turn.reports:
        fine = status in {_OK, _NOT_FOUND}  # nothing watched yet is an answer
        return Verdict(outcomes="", error="" if fine else _reason(status, body))
    if status == _ACCEPTED:
        return Verdict(outcomes=ACCEPTED) if turn.single else _judge_batch(turn, body)
    unsure = status in _AGAIN or status >= _SERVER_ERRORS
    outcome = UNKNOWN if unsure else REFUSED
    return Verdict(outcomes=outcome * len(turn.reports), error=_reason(status, body))


def _judge_batch(turn: Turn, body: bytes) -> Verdict:
    try:
        items = msgspec.json.decode(body, type=_Batch).items
    except msgspec.DecodeError:
        items = ()
    if len(items) != len(turn.reports):
        error = "202 without a verdict for each report"
        return Verdict(outcomes=UNKNOWN * len(turn.reports), error=error)
    outcomes = "".join(ACCEPTED if item.status in _KEPT else REFUSED for item in items)
    refused = next((item.problem for item in items if item.status not in _KEPT), None)
    error = f"refused: {refused.detail or refused.title}" if refused else ""
    return Verdict(outcomes=outcomes, error=error)


def _reason(status: int, body: bytes) -> str:
    if not status:
        return "no answer"
    try:
        title = msgspec.json.decode(body, type=_Problem).title
    except msgspec.DecodeError:
        title = ""
    return f"{status} {title}".strip()
