"""Forgets a user, and proves it: the steps of `ugc forget`."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_cli.letters import open_box
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_scrubber,
    open_log_writer,
    open_warehouse,
)
from ugc_core.clock import Clock
from ugc_core.codec import ERASURE_HEADERS, Erasure, encode_erasure, log_key, split_lines
from ugc_core.errors import TransientError
from ugc_core.log import Receipt
from ugc_core.log_rules import gone_after_ms
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.urls import SqliteLogTarget, log_target

TABLES = ("views_raw", "playback", "resume_points")
_LOOK_EVERY_S = 0.2


class NotYetError(TransientError):
    """The pipeline has not come as far as the erasure."""


class Proof(Struct, frozen=True, kw_only=True):
    """What is left of a user.

    Attributes:
        user_id: Whom.
        erasures: When each erasure was asked for, and whether it is done.
        rows: Rows of the user that are left, by table.
        dead_letters: Dead letters that name the user.
        dead_letters_until: When the last of these ends at the latest, where nobody can take
            it out of the log before that, as on Kafka.
        log_copies_until: When the last copy in the log ends at the latest: its retention,
            counted from now, and on Kafka what a file is kept for longer.
    """

    user_id: UUID
    erasures: list[dict[str, object]]
    rows: dict[str, int]
    dead_letters: int
    dead_letters_until: datetime | None = None
    log_copies_until: datetime

    @property
    def holds(self) -> bool:
        """Whether the user is forgotten, but for what ends with the log's retention alone."""
        done = bool(self.erasures) and all(erasure["done"] for erasure in self.erasures)
        letters_end = not self.dead_letters or self.dead_letters_until is not None
        return done and not any(self.rows.values()) and letters_end


async def request(settings: LogSection, user_id: UUID, *, clock: Clock) -> Receipt:
    """Append the erasure record to the user's own partition.

    Raises:
        LogUnavailableError: Not acknowledged in time; ask again.
    """
    line = encode_erasure(Erasure(user_id=user_id, requested_at=clock.wall_ms()))
    async with open_log_writer(settings, settings.topic, clock=clock) as writer:
        return await writer.append(log_key(user_id), [line], headers=ERASURE_HEADERS)


async def carried_out(
    settings: LogSection, receipt: Receipt, *, clock: Clock, timeout_s: float
) -> None:
    """Wait until the pipeline has committed past the erasure record.

    Raises:
        NotYetError: It has not within `timeout_s`; the request stays.
    """
    until = clock.now() + timeout_s
    async with open_log_admin(settings) as admin:
        while True:
            commits = await admin.committed_by(settings.group, settings.topic)
            commit = commits.get(receipt.partition)
            if commit is not None and commit.offset > receipt.offset:
                return
            if clock.now() >= until:
                break
            await clock.sleep(_LOOK_EVERY_S)
    msg = (
        f"the erasure is in the log (partition {receipt.partition}, offset {receipt.offset}), and"
        f" the pipeline has not reached it within {timeout_s:g} s. It will be carried out; see"
        " `ugc status`, then `ugc forget USER --check`"
    )
    raise NotYetError(msg)


async def scrub_dead_letters(settings: LogSection, user_id: UUID) -> int:
    """Take the user's lines out of the dead letters; return how many there were."""
    async with open_log_scrubber(settings) as scrubber:
        if scrubber is None:
            return 0
        return await scrubber.scrub(settings.dlq_topic, names(user_id))


async def prove(settings: Settings, user_id: UUID, *, clock: Clock) -> Proof:
    """Count what is left of the user, everywhere."""
    erasures, rows = await _in_warehouse(settings.warehouse, user_id)
    letters, newest_ms = await _dead_letters(settings.log, user_id)
    lasting = letters and not _can_be_scrubbed(settings.log)
    return Proof(
        user_id=user_id,
        erasures=erasures,
        rows=rows,
        dead_letters=letters,
        dead_letters_until=_ends(settings.log, newest_ms) if lasting else None,
        log_copies_until=_ends(settings.log, clock.wall_ms()),
    )


def names(user_id: UUID) -> Callable[[bytes], bool]:
    """Return what says whether a line names the user, in whatever form and letter case."""
    forms = (str(user_id).encode(), user_id.hex.encode())

    def found(line: bytes) -> bool:
        lower = line.lower()
        return any(form in lower for form in forms)

    return found


async def _in_warehouse(
    settings: WarehouseSection, user_id: UUID
) -> tuple[list[dict[str, object]], dict[str, int]]:
    who = {"user": user_id}
    async with open_warehouse(settings) as warehouse:
        answer = await warehouse.read(
            "SELECT requested_at, min(erased_at > toDateTime64(0, 3, 'UTC')) AS done,"
            " partition, offset FROM erasures FINAL WHERE user_id = {user:UUID}"
            " GROUP BY partition, offset, requested_at ORDER BY partition, offset",
            who,
        )
        erasures = [dict(zip(answer.names, row, strict=True)) for row in answer.rows]
        counts = await asyncio.gather(
            *(
                warehouse.read(f"SELECT count() FROM {table} WHERE user_id = {{user:UUID}}", who)  # noqa: S608 - a table of ours
                for table in TABLES
            )
        )
    found = (msgspec.convert(count.rows[0][0], int) for count in counts)
    return erasures, dict(zip(TABLES, found, strict=True))


def _can_be_scrubbed(settings: LogSection) -> bool:
    """Whether lines can be taken out of the log; Kafka never changes what it has."""
    return isinstance(log_target(settings.url), SqliteLogTarget)


def _ends(settings: LogSection, appended_ms: int) -> datetime:
    """Return when a record is gone at the latest."""
    kept_ms = settings.retention_ms
    if not _can_be_scrubbed(settings):
        kept_ms = gone_after_ms(kept_ms)
    return datetime.fromtimestamp((appended_ms + kept_ms) / 1000, UTC)


async def _dead_letters(settings: LogSection, user_id: UUID) -> tuple[int, int]:
    """Count the dead letters that name the user; return when the newest was written, too."""
    named, count, newest_ms = names(user_id), 0, 0
    async with open_box(settings) as box:
        async for record in box.records():
            found = sum(map(named, split_lines(record.value)))
            count += found
            newest_ms = max(newest_ms, record.timestamp_ms if found else 0)
    return count, newest_ms
