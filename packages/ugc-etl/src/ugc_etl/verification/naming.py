"""From verdicts to findings: what a person needs to know of each, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ugc_core.codec import decode_lines
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_core.warehouse import Warehouse
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.rows import Rows, Source
from ugc_etl.verification.buried import Buried
from ugc_etl.verification.comparing import Verdict
from ugc_etl.verification.copies import Copy
from ugc_etl.verification.differences import COMPARED, differences
from ugc_etl.verification.findings import Finding, Findings, Kind, replay
from ugc_etl.verification.fingerprints import identity_of, names
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.stored_rows import Row

_ROWS_AT_ONCE = 1000
"""Rows of one read: their ids stand in the statement, which is bounded."""
_ROWS = f"""
    SELECT film_id, user_id, profile_id, raw.event_id AS event_id, {", ".join(COMPARED)}
    FROM views_raw AS raw FINAL
    WHERE film_id IN {{films:Array(UUID)}} AND raw.event_id IN {{events:Array(UUID)}}
"""  # noqa: S608 - constants of this module
_BY_HAND = "find out who writes to this table beside the pipeline; then "


@dataclass(kw_only=True)
class Naming:
    """Names what a comparison has found.

    Attributes:
        warehouse: Where the rows are.
        log: Where the lines are.
        findings: Where findings go.
        buried: The dead letters: such a line is not missing.
        erased: The erased users as they were when the log was read.
        kept_from_ms: Raw reports made before this go, by the table's TTL.
    """

    warehouse: Warehouse
    log: LogView
    findings: Findings
    buried: Buried
    erased: ErasedUsers
    kept_from_ms: int = 0
    _erased_now: ErasedUsers = field(default_factory=ErasedUsers)
    _last: tuple[tuple[int, int], Sequence[Event | MalformedLineError]] | None = None
    """The record that was read last: its lines come one after the other."""

    async def name(self, verdicts: Sequence[Verdict]) -> None:
        """Turn verdicts into findings."""
        if any(verdict.kind is Kind.MISSING for verdict in verdicts):
            # An erasure may have been carried out since; then its reports are rightly gone.
            self._erased_now = await read_erased(self.warehouse)
        due = [verdict for verdict in verdicts if not self._is_buried(verdict)]
        ordered = sorted(due, key=_place)  # the lines of a record one after the other
        for start in range(0, len(ordered), _ROWS_AT_ONCE):
            portion = ordered[start : start + _ROWS_AT_ONCE]
            rows = {} if self.findings.full else await self._rows(portion)
            for verdict in portion:
                if self.findings.full:
                    self.findings.count(verdict.kind, fault=True)
                else:
                    await self._name(verdict, rows.get(verdict.identity, {}))

    async def _name(self, verdict: Verdict, row: Mapping[str, object]) -> None:
        match verdict.kind:
            case Kind.MISSING:
                await self._missing(verdict)
            case Kind.FOREIGN:
                await self._foreign(verdict)
            case Kind.ALTERED:
                await self._altered(verdict, row)
            case _:
                self._doubled(verdict)

    def conflict(self, identity: bytes, copies: Sequence[Copy]) -> None:
        """Note copies of one report that contradict each other."""
        receipts = ", ".join(copy.receipt for copy in copies)
        detail = f"copies with other content at {receipts}; the first of these was accepted first"
        self._add(
            Kind.CONFLICTING,
            identity,
            detail,
            fault=False,
            then="the client made one event id for two reports: mend the client",
        )

    async def _missing(self, verdict: Verdict) -> None:
        copy = verdict.copy
        event = await self.event_at(copy) if copy else None
        if copy is None or (event and self._is_rightly_gone(event, copy)):
            return
        then = replay(copy.partition, copy.offset, copy.offset)
        self._add(Kind.MISSING, verdict.identity, f"accepted at {copy.receipt}", then=then)

    def _is_buried(self, verdict: Verdict) -> bool:
        """Say whether the warehouse has refused the report, and it is set aside."""
        copy = verdict.copy
        return verdict.kind is Kind.MISSING and copy is not None and copy[2:] in self.buried.spots

    def _is_rightly_gone(self, event: Event, copy: Copy) -> bool:
        """Say whether a report is erased by now, or older than raw reports are kept."""
        if event.event_time_ms < self.kept_from_ms:
            return True
        return self._erased_now.hides(event, partition=copy.partition, offset=copy.offset)

    async def _foreign(self, verdict: Verdict) -> None:
        row = verdict.rows[0]
        event = await self.event_at(row)
        if event is not None and identity_of(event) == verdict.identity:
            self._unerased(verdict, row)
            return
        detail = f"its row says it comes from {row.receipt}, where the log has no such report"
        self._add(Kind.FOREIGN, verdict.identity, detail, then=f"{_BY_HAND}delete the row")

    def _unerased(self, verdict: Verdict, row: Row) -> None:
        """Name a row of an erased user; while the erasure is under way it is a note."""
        user = names(verdict.identity)[1]
        under_way = any(one.user_id == user and not one.done for one in self.erased)
        detail = f"the report at {row.receipt} was to be dropped with its user"
        then = f"ugc forget {user}"
        if under_way:
            detail, then = f"{detail}; the erasure is not done yet", "ugc status"
        self._add(Kind.UNERASED, verdict.identity, detail, fault=not under_way, then=then)

    async def _altered(self, verdict: Verdict, row: Mapping[str, object]) -> None:
        copy = verdict.copy
        event = await self.event_at(copy) if copy else None
        detail = "other content than its first accepted copy"
        if event is not None and copy is not None:
            accepted = Rows(copy.partition, [event], [Source(copy.offset, copy.line, b"")])
            columns = {name: values[0] for name, values in accepted.columns().items()}
            wrong = differences(columns, row)
            detail = f"{wrong or detail}; accepted at {copy.receipt}"
        then = f"{_BY_HAND}delete the row and replay its line"
        self._add(Kind.ALTERED, verdict.identity, detail, then=then)

    def _doubled(self, verdict: Verdict) -> None:
        receipts = ", ".join(row.receipt for row in verdict.rows)
        detail = f"{len(verdict.rows)} rows, said to come from {receipts}"
        then = f"{_BY_HAND}delete those whose event_time is not the accepted one"
        self._add(Kind.DOUBLED, verdict.identity, detail, then=then)

    async def event_at(self, place: Copy | Row) -> Event | None:
        """Return the report at a place of the log, if there is one."""
        if self._last is not None and self._last[0] == (place.partition, place.offset):
            return self._remembered(place)
        if place.offset < self.log.lows.get(place.partition, 0):
            return None
        async for record in self.log.records(place.partition, place.offset, place.offset + 1):
            found = decode_lines(record.value, record.headers)
            self._last = ((place.partition, place.offset), found)
        return self._remembered(place)

    def _remembered(self, place: Copy | Row) -> Event | None:
        if self._last is None or self._last[0] != (place.partition, place.offset):
            return None
        events = self._last[1]
        found = events[place.line] if place.line < len(events) else None
        return found if isinstance(found, Event) else None

    async def _rows(self, verdicts: Sequence[Verdict]) -> dict[bytes, dict[str, object]]:
        """Return the altered rows, column by column."""
        altered = [names(verdict.identity) for verdict in verdicts if verdict.kind is Kind.ALTERED]
        if not altered:
            return {}
        parameters = {
            "films": sorted({film for film, _, _, _ in altered}),
            "events": [event for _, _, _, event in altered],
        }
        answer = await self.warehouse.read(_ROWS, parameters)
        return {
            b"".join(UUID(str(value)).bytes for value in row[:4]): dict(
                zip(answer.names, row, strict=True)
            )
            for row in answer.rows
        }

    def _add(
        self, kind: Kind, identity: bytes, detail: str, *, fault: bool = True, then: str = ""
    ) -> None:
        subject = describe(identity)
        self.findings.add(
            Finding(kind=kind, fault=fault, subject=subject, detail=detail, next=then)
        )


def _place(verdict: Verdict) -> tuple[int, int, int]:
    """Return where a verdict's line is, or says it is."""
    place = verdict.copy or verdict.rows[0]
    return place.partition, place.offset, place.line


def describe(identity: bytes) -> str:
    """Return a report's name: its event id, and whose it is."""
    film, user, profile, event = names(identity)
    profiled = "" if profile == user else f" profile {profile}"
    return f"{event} (film {film}, user {user}{profiled})"
