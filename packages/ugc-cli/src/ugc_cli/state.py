"""What `ugc status` reports of each part of the system."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from ugc_cli.letters import open_box
from ugc_cli.probes import http_ok
from ugc_core.bootstrap import open_log_admin, open_warehouse
from ugc_core.errors import UgcError
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target

_FACTS = """
    SELECT version() AS version,
        (SELECT count() FROM views) AS reports,
        (SELECT max(stored_at) FROM views_raw) AS last_stored,
        (SELECT sum(lines) FROM ingested FINAL WHERE topic = {topic:String}) AS lines
"""


class Part(Struct, frozen=True, kw_only=True):
    """One part of the system.

    Attributes:
        name: Which.
        state: `ok`, `behind` or `down`.
        facts: What there is to say about it.
    """

    name: str
    state: str
    facts: Mapping[str, object]


async def gather(settings: Settings, api: str) -> list[Part]:
    """Ask every part; one that does not answer is `down`, with the reason."""
    return [
        await _ask("api", lambda: _api(api)),
        await _ask("log", lambda: _log(settings)),
        await _ask("pipeline", lambda: _pipeline(settings)),
        await _ask("warehouse", lambda: _warehouse(settings)),
    ]


async def _ask(name: str, question: Callable[[], Awaitable[Part]]) -> Part:
    try:
        return await question()
    except (UgcError, OSError) as error:
        return Part(name=name, state="down", facts={"reason": str(error)})


async def _api(url: str) -> Part:
    parts = urlsplit(url)
    await http_ok(parts.hostname or "", parts.port or 80, "/readyz")
    return Part(name="api", state="ok", facts={"url": url})


async def _log(settings: Settings) -> Part:
    section = settings.log
    async with open_log_admin(section) as admin:
        views = await admin.watermarks(section.topic)
    async with open_box(section) as box:
        letters = await box.known()
    facts: dict[str, object] = {
        "topic": section.topic,
        "partitions": len(views),
        "records": sum(ends.high - ends.low for ends in views.values()),
        "dead_letters": letters.open,
    }
    return Part(name="log", state="ok" if views else "down", facts=facts)


async def _pipeline(settings: Settings) -> Part:
    """Lag: records that are appended and not committed, by partition."""
    section = settings.log
    async with open_log_admin(section) as admin:
        views = await admin.watermarks(section.topic)
        commits = await admin.committed_by(section.group, section.topic)
    lag = {
        partition: ends.high - (commits[partition].offset if partition in commits else ends.low)
        for partition, ends in sorted(views.items())
    }
    total = sum(lag.values())
    facts: dict[str, object] = {"group": section.group, "lag": total}
    if total:
        facts["by_partition"] = lag
    return Part(name="pipeline", state="behind" if total else "ok", facts=facts)


async def _warehouse(settings: Settings) -> Part:
    async with open_warehouse(settings.warehouse) as warehouse:
        answer = await warehouse.read(_FACTS, {"topic": settings.log.topic})
    facts = dict(zip(answer.names, answer.rows[0], strict=True))
    if not facts["reports"]:
        facts["last_stored"] = None
    database = warehouse_target(settings.warehouse.url).database
    return Part(name="warehouse", state="ok", facts={"database": database, **facts})
