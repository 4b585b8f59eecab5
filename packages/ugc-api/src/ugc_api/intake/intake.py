"""Takes reports in: from the body's bytes to the log, and only then an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from ugc_api.auth.identity import Identity
from ugc_api.intake.answers import (
    Accepted,
    AcceptedItem,
    BatchAnswer,
    DuplicateItem,
    RefusedItem,
    Verdict,
)
from ugc_api.intake.items import Amend, Item
from ugc_api.limiting.limiter import Limiter
from ugc_api.operating.health import Health
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, of_damage, of_log, of_refusal
from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.clock import Clock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.errors import (
    LogDamagedError,
    LogUnavailableError,
    RecordTooLargeError,
    ReportRefusedError,
)
from ugc_core.events import Event, Report
from ugc_core.log import LogWriter, Receipt
from ugc_core.tracing import TRACED

_Name = int | tuple[int, int, int]


class _Kept(NamedTuple):
    """An event whose line is kept, or that is the same as an earlier one."""

    event_id: UUID
    line: int
    is_new: bool

    def verdict(self, first: Receipt) -> Verdict:
        """Return what is said of it when the log has the lines, from `first` on."""
        line = first.line + self.line
        receipt = Receipt(partition=first.partition, offset=first.offset, line=line)
        kind = AcceptedItem if self.is_new else DuplicateItem
        return kind(event_id=self.event_id, receipt=receipt)


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What all write routes do; nothing is answered before the log has it.

    Attributes:
        writer: The log.
        clock: When a report is received.
        window: How old and how far ahead a report may be.
        limiter: Knows who reports too often.
        metrics: What is counted.
        health: Hears how appends end.
    """

    writer: LogWriter
    clock: Clock
    window: Window
    limiter: Limiter
    metrics: ApiMetrics
    health: Health

    async def one(
        self, body: bytes, identity: Identity, film_id: UUID, *, amend: Amend | None = None
    ) -> Accepted:
        """Keep one report.

        Args:
            body: The report.
            identity: Who sends it.
            film_id: The film.
            amend: What is done to it first.

        Raises:
            ProblemError: It is refused, or the log did not take it.
        """
        self.limiter.report(identity.log_key, 1)
        try:
            report = parse_report(body)
            event = accept(
                report if amend is None else amend(report, 0),
                identity.viewer,
                film_id=film_id,
                received_ms=self.clock.wall_ms(),
                window=self.window,
            )
        except ReportRefusedError as error:
            raise self._refused(error) from error
        event_id, lines = event.event_id, [encode_event(event)]
        del body, report, event  # see `_judged`
        return Accepted(event_id=event_id, receipt=await self._append(identity.log_key, lines))

    async def many(
        self, items: Sequence[Item], identity: Identity, *, amend: Amend | None = None
    ) -> BatchAnswer:
        """Keep every item that can be kept, in one record, and say what became of each.

        Args:
            items: The reports.
            identity: Who sends them.
            amend: What is done to each of them first.

        Raises:
            ProblemError: The log did not take them.
        """
        self.limiter.report(identity.log_key, len(items))
        lines, judged = self._judged(items, identity.viewer, amend)
        del items  # see `_judged`
        if not lines:
            return self._answer([item for item in judged if isinstance(item, RefusedItem)])
        first = await self._append(identity.log_key, lines)
        return self._answer(
            [item.verdict(first) if isinstance(item, _Kept) else item for item in judged]
        )

    def _judged(
        self, items: Sequence[Item], viewer: Viewer, amend: Amend | None
    ) -> tuple[list[bytes], list[_Kept | RefusedItem]]:
        """Return the lines to keep, and what is to be said of each item.

        While they are on their way to the log nothing else is held of the reports: it would be many
        times as much, and all of it out of the processor's caches by the time it is let go of.
        """
        received_ms = self.clock.wall_ms()
        found = [
            self._event_or_refused(item, viewer, received_ms, place, amend)
            for place, item in enumerate(items)
        ]
        names = iter(_names([item for item in found if isinstance(item, Event)]))
        lines: list[bytes] = []
        judged: list[_Kept | RefusedItem] = []
        line_of: dict[_Name, int] = {}
        for item in found:
            if isinstance(item, RefusedItem):
                judged.append(item)
                continue
            line = line_of.setdefault(next(names), len(lines))
            is_new = line == len(lines)
            if is_new:
                lines.append(encode_event(item))
            judged.append(_Kept(item.event_id, line, is_new))
        return lines, judged

    def _answer(self, verdicts: list[Verdict]) -> BatchAnswer:
        kinds_of = [type(verdict) for verdict in verdicts]
        duplicates = kinds_of.count(DuplicateItem)
        self.metrics.duplicate(duplicates)
        return BatchAnswer(
            accepted=kinds_of.count(AcceptedItem),
            refused=kinds_of.count(RefusedItem),
            duplicates=duplicates,
            items=verdicts,
        )

    def _event_or_refused(
        self, item: Item, viewer: Viewer, received_ms: int, place: int, amend: Amend | None
    ) -> Event | RefusedItem:
        try:
            report = item if isinstance(item, Report) else parse_report(item)
            if amend is not None:
                report = amend(report, place)
            return accept(report, viewer, film_id=None, received_ms=received_ms, window=self.window)
        except ReportRefusedError as error:
            return RefusedItem(problem=self._refused(error).problem)

    async def _append(self, key: bytes, lines: Sequence[bytes]) -> Receipt:
        """Append one record; its outcome is counted, and told to the health page."""
        traced = TRACED.get()
        headers = (*EVENT_HEADERS, *traced) if traced else EVENT_HEADERS
        started = self.clock.now()
        try:
            receipt = await self.writer.append(key, lines, headers=headers)
        except (LogUnavailableError, LogDamagedError) as error:
            raise self._failed(error, len(lines), started) from error
        except RecordTooLargeError as error:
            self._ended(kinds.TOO_LARGE.slug, started)
            self.metrics.refused(kinds.TOO_LARGE.slug, len(lines))
            detail = "Together the reports are larger than the log takes at once; split them."
            raise ProblemError(kinds.TOO_LARGE, detail) from error
        except BaseException:
            self._ended("aborted", started)
            raise
        self._ended("acknowledged", started)
        self.health.appended(None)
        self.metrics.accepted(len(lines))
        return receipt

    def _ended(self, outcome: str, started: float) -> None:
        self.metrics.append_ended(outcome, self.clock.now() - started)

    # An error that a local variable holds is held by its own traceback, and with it all that
    # the request had, until the garbage collector comes. So these are made where they are raised.

    def _refused(self, error: ReportRefusedError) -> ProblemError:
        """Count a report that is refused, and return its problem."""
        refused = of_refusal(error)
        self.metrics.refused(refused.kind.slug)
        return refused

    def _failed(
        self, error: LogUnavailableError | LogDamagedError, lines: int, started: float
    ) -> ProblemError:
        """Count an append that failed, tell the health page, and return the problem."""
        if isinstance(error, LogDamagedError):
            self.health.damaged(error)
            outcome, problem = "damaged", of_damage()
        else:
            self.health.appended(error)
            problem = of_log(error)
            outcome = problem.kind.slug
        self._ended(outcome, started)
        self.metrics.refused(outcome, lines)
        return problem


def _names(events: Sequence[Event]) -> Sequence[_Name]:
    """Name reports of one user, two of them alike where they are the same."""
    if len({event.event_id.int for event in events}) == len(events):
        return range(len(events))
    return [_name(event) for event in events]


def _name(event: Event) -> _Name:
    """What makes two reports of one user the same; UUIDs are hashed in Python, numbers are not."""
    profile_id = event.profile_id
    return event.event_id.int, event.film_id.int, profile_id.int if profile_id else 0
