"""What `ugc offsets` does with log, ledger and group."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum

from msgspec import Struct

from ugc_cli.positions import Move, Standing, move, standings
from ugc_cli.progress import metered
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_operator,
    open_log_scanner,
    open_warehouse,
)
from ugc_core.clock import Clock
from ugc_core.codec import is_erasure
from ugc_core.errors import LogUnavailableError, UgcError, WarehouseUnavailableError
from ugc_core.log import LogScanner
from ugc_core.log_operator import Member
from ugc_core.log_pages import pages
from ugc_core.settings import LogSection, Settings
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_replay_ledger import ClickHouseReplayLedger
from ugc_etl.batches import count_lines
from ugc_etl.replay.spans import Span, size

_PAGE = 1000


class Place(StrEnum):
    """A place that has a name.

    Attributes:
        EARLIEST: The oldest record that is left.
        LATEST: After the newest one.
        LEDGER: Where the batches end that are noted as stored.
    """

    EARLIEST = "earliest"
    LATEST = "latest"
    LEDGER = "ledger"


class Target(Struct, frozen=True, kw_only=True):
    """Where to have a group stand; one of the three is set.

    Attributes:
        place: A named place.
        offset: An offset.
        at_ms: The first record that is not older than this, Unix milliseconds.
    """

    place: Place | None = None
    offset: int | None = None
    at_ms: int | None = None


class Seen(Struct, frozen=True, kw_only=True):
    """A group as it stands.

    Attributes:
        group: Which.
        topic: What it reads.
        members: Who reads for it just now.
        standings: How far it is in each partition.
        ledger_silent: Why nobody knows what is stored; None if it is known.
    """

    group: str
    topic: str
    members: Sequence[Member]
    standings: Sequence[Standing]
    ledger_silent: str | None


class Skipped(Struct, kw_only=True):
    """What of the skipped offsets is still in the log.

    Attributes:
        records: Records.
        lines: Their lines.
        erasures: Records among them that ask to forget users.
    """

    records: int = 0
    lines: int = 0
    erasures: int = 0


async def look(settings: Settings, *, warehouse: bool) -> Seen:
    """Ask log and ledger; `warehouse` says whether there is one to ask.

    Raises:
        LogUnavailableError: The log does not answer, or has no such topic.
    """
    section = settings.log
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(open_log_admin(section))
        operator = await stack.enter_async_context(open_log_operator(section))
        commits = await admin.committed_by(section.group, section.topic)
        ends = await admin.watermarks(section.topic)
        members = await operator.members(section.group, section.topic)
    if not ends:
        msg = f"topic {section.topic} does not exist; run `ugc init`"
        raise LogUnavailableError(msg)
    covered, silent = await _ledger(settings) if warehouse else (None, "no `ugc up` runs")
    return Seen(
        group=section.group,
        topic=section.topic,
        members=members,
        standings=standings(ends, commits, covered),
        ledger_silent=silent,
    )


async def _ledger(settings: Settings) -> tuple[Sequence[Span] | None, str | None]:
    """Return what is noted as stored, or why nobody can say: a group can be moved all the same."""
    section = settings.warehouse
    try:
        async with open_warehouse(section) as warehouse:
            ledger = ClickHouseReplayLedger(warehouse, warehouse_target(section.url))
            return await ledger.covered(settings.log.topic), None
    except (UgcError, OSError) as error:
        return None, str(error)


async def plan(
    section: LogSection, seen: Seen, target: Target, partitions: frozenset[int]
) -> Sequence[Move]:
    """Return the moves that bring the group there; none for partitions where it stands already.

    Raises:
        OffsetOutOfRangeError: The log does not hold that offset.
        WarehouseUnavailableError: The ledger is meant, and does not answer.
    """
    if target.place is Place.LEDGER and seen.ledger_silent is not None:
        msg = f"where the ledger ends is not known: {seen.ledger_silent}"
        raise WarehouseUnavailableError(msg)
    chosen = [one for one in seen.standings if not partitions or one.partition in partitions]
    places = await _places(section, chosen, target)
    found = (move(seen.topic, one, places[one.partition]) for one in chosen)
    return [one for one in found if one is not None]


async def _places(
    section: LogSection, chosen: Sequence[Standing], target: Target
) -> Mapping[int, int]:
    if target.at_ms is not None:
        async with open_log_admin(section) as admin:
            return await admin.offsets_at(section.topic, target.at_ms)
    if target.offset is not None:
        return dict.fromkeys((one.partition for one in chosen), target.offset)
    match target.place:
        case Place.LATEST:
            return {one.partition: one.high for one in chosen}
        case Place.LEDGER:
            return {one.partition: one.low if one.ledger is None else one.ledger for one in chosen}
        case _:
            return {one.partition: one.low for one in chosen}


async def count_skipped(
    section: LogSection, moves: Sequence[Move], *, clock: Clock
) -> Mapping[int, Skipped]:
    """Read through what the moves skip, by partition."""
    total = size([span for one in moves for span in one.left])
    found = {one.partition: Skipped() for one in moves}
    if not total:
        return found
    done = 0
    async with open_log_scanner(section) as scanner:
        with metered("what is skipped", total, clock) as meter:
            for one in moves:
                for span in one.left:
                    await _count(scanner, section.topic, span, found[one.partition])
                    done += span.size
                    meter.reach(done, f"{found[one.partition].records:,} records")
    return found


async def _count(scanner: LogScanner, topic: str, span: Span, into: Skipped) -> None:
    found = pages(scanner, topic, span.partition, span.start, span.end, max_records=_PAGE)
    async for page in found:
        into.records += len(page)
        into.lines += sum(map(count_lines, page))
        into.erasures += sum(is_erasure(record.headers) for record in page)


async def carry_out(section: LogSection, moves: Sequence[Move]) -> None:
    """Move the group.

    Raises:
        InUseError: Somebody reads for it by now; nothing was moved.
    """
    async with open_log_operator(section) as operator:
        positions = {one.partition: one.to for one in moves}
        await operator.move(section.group, section.topic, positions)
