"""Dead letters for the commands: opened, looked through, shown."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from ugc_cli.moments import show_moment
from ugc_core.backoff import Backoff
from ugc_core.bootstrap import open_log_admin, open_log_scanner, open_log_writer, open_warehouse
from ugc_core.clock import Clock
from ugc_core.settings import LogSection, Settings
from ugc_etl.erasures import read_erased
from ugc_etl.letters import redriving
from ugc_etl.letters.filters import Filters, Letter
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.letters.redriving import Redrive, Redriven
from ugc_etl.retry import Retry

_EXCERPT = 60


@asynccontextmanager
async def open_box(section: LogSection) -> AsyncIterator[LetterBox]:
    """Open the topic of the dead letters for reading."""
    async with open_log_admin(section) as admin, open_log_scanner(section) as scanner:
        yield LetterBox(admin=admin, scanner=scanner, topic=section.dlq_topic)


async def find(
    section: LogSection, filters: Filters, *, limit: int, resolved: bool
) -> tuple[list[Letter], int]:
    """Return the first letters that are meant, and how many there are in all."""
    found: list[Letter] = []
    many = 0
    async with open_box(section) as box:
        async for letter in box.letters(filters, await box.known(), resolved=resolved):
            many += 1
            if len(found) < limit:
                found.append(letter)
    return found, many


async def find_one(section: LogSection, key: str) -> Letter | None:
    """Return a letter by its key, open or not."""
    only = Filters(keys=frozenset({key}))
    for resolved in (False, True):
        found, _ = await find(section, only, limit=1, resolved=resolved)
        if found:
            return found[0]
    return None


async def count(section: LogSection, filters: Filters, limit: int | None) -> int:
    """Count the open letters that are meant."""
    async with open_box(section) as box:
        return sum([1 async for _ in _some(box.letters(filters, await box.known()), limit)])


async def redrive(
    settings: Settings, filters: Filters, *, limit: int | None, dry_run: bool, clock: Clock
) -> Redriven:
    """Send the open letters that are meant again."""
    log = settings.log
    async with (
        open_warehouse(settings.warehouse) as warehouse,
        open_box(log) as box,
        open_log_writer(log, log.topic, clock=clock) as views,
        open_log_writer(log, log.dlq_topic, clock=clock) as closing,
    ):
        work = Redrive(
            views=views,
            box=closing,
            retry=_retry(settings, clock),
            erased=await read_erased(warehouse),
            dry_run=dry_run,
        )
        return await work.run(_some(box.letters(filters, await box.known()), limit))


async def drop(settings: Settings, filters: Filters, *, limit: int | None, clock: Clock) -> int:
    """Set the open letters that are meant aside for good."""
    log = settings.log
    async with (
        open_box(log) as box,
        open_log_writer(log, log.dlq_topic, clock=clock) as closing,
    ):
        meant = _some(box.letters(filters, await box.known()), limit)
        return await redriving.drop(meant, closing, _retry(settings, clock))


def as_json(letter: Letter) -> Mapping[str, object]:
    """Return a letter's fields by name; a payload that is no text is in base64."""
    content = letter.content
    try:
        payload = {"payload": content.payload.decode()}
    except UnicodeDecodeError:
        payload = {"payload_base64": base64.b64encode(content.payload).decode()}
    return {
        "key": letter.key,
        "at": show_moment(letter.at_ms),
        "resolution": letter.resolution,
        "reason": content.reason,
        "topic": content.topic,
        "partition": content.partition,
        "offset": content.offset,
        "line": content.line,
        "schema_version": content.schema_version,
        **payload,
    }


def excerpt(letter: Letter) -> str:
    """Return the beginning of the payload, as text."""
    text = letter.content.payload[: 4 * _EXCERPT].decode("utf-8", "replace")
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def _retry(settings: Settings, clock: Clock) -> Retry:
    etl = settings.etl
    return Retry(clock=clock, backoff=Backoff(first_s=etl.retry_first_s, most_s=etl.retry_most_s))


async def _some(letters: AsyncIterator[Letter], limit: int | None) -> AsyncIterator[Letter]:
    left = limit
    async for letter in letters:
        if left is not None:
            if left == 0:
                return
            left -= 1
        yield letter
