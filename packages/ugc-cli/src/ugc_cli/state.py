"""What `ugc status` reports of each part of the system."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from urllib.parse import urlsplit

from msgspec import Struct

from ugc_cli.letters import open_box
from ugc_cli.probes import http_ok
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_operator,
    open_log_scanner,
    open_warehouse,
)
from ugc_core.clock import Clock
from ugc_core.errors import LogHeldUpError, OffsetOutOfRangeError, UgcError
from ugc_core.log import Watermarks
from ugc_core.log_operator import Member
from ugc_core.settings import Settings
from ugc_core.urls import KafkaLogTarget, log_target, warehouse_target
from ugc_core.warehouse import Answer, Shards

TABLES = ("views_raw", "playback", "resume_points", "ingested", "erasures")
_FACTS = """
    SELECT version() AS version, now64(3, 'UTC') AS now,
        (SELECT count() FROM views) AS reports,
        (SELECT max(stored_at) FROM views_raw) AS last_stored,
        (SELECT sum(lines) FROM ingested FINAL WHERE topic = {topic:String}) AS lines
"""
_ROWS = "SELECT " + ", ".join(f"(SELECT count() FROM {name}) AS {name}" for name in TABLES)  # noqa: S608 - ours
_PARTS = """
    SELECT table, sum(many) AS parts, max(many) AS most
    FROM
    (
        SELECT table, partition, count() AS many
        FROM system.parts WHERE active AND database = '{database}'
        GROUP BY table, partition
    )
    GROUP BY table
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


class Lag(Struct, frozen=True, kw_only=True):
    """How far the pipeline is in one partition.

    Attributes:
        partition: Which.
        low: The oldest offset that can be read.
        committed: The next offset that the pipeline reads; None before its first commit.
        high: The offset that the next record gets.
        lag: Records that are appended and not committed.
        oldest_s: Age of the oldest of them, in seconds; None without any.
        held_up: Why nobody can read the oldest of them just now.
    """

    partition: int
    low: int
    committed: int | None
    high: int
    lag: int
    oldest_s: float | None = None
    held_up: str | None = None


class Parts(Struct, frozen=True, kw_only=True):
    """Active parts of one table on the node that has most of them.

    Attributes:
        parts: In all.
        most: In the partition that has most.
    """

    parts: int
    most: int


@dataclass(kw_only=True)
class Looking:
    """Asks every part how it is; one that does not answer is `down`, with the reason.

    Attributes:
        settings: The settings.
        api: Root of the HTTP service.
        clock: Time.
    """

    settings: Settings
    api: str
    clock: Clock
    _letters: tuple[Mapping[int, Watermarks], int] = field(default_factory=lambda: ({}, 0))

    async def look(self) -> Sequence[Part]:
        """Ask once."""
        return [
            await _ask("api", self._api),
            await _ask("log", self._log),
            await _ask("pipeline", self._pipeline),
            await _ask("warehouse", self._warehouse),
        ]

    async def _api(self) -> Part:
        parts = urlsplit(self.api)
        await http_ok(parts.hostname or "", parts.port or 80, "/readyz")
        return Part(name="api", state="ok", facts={"url": self.api, "version": version("ugc-api")})

    async def _log(self) -> Part:
        section = self.settings.log
        async with open_log_admin(section) as admin:
            views = await admin.watermarks(section.topic)
            letters = await admin.watermarks(section.dlq_topic)
        if self._letters[0] != letters:  # their topic is read through only when it has changed
            async with open_box(section) as box:
                self._letters = letters, (await box.known()).open
        async with open_log_operator(section) as operator:
            server = await operator.server()
        facts: dict[str, object] = {
            "topic": section.topic,
            "partitions": len(views),
            "records": sum(ends.high - ends.low for ends in views.values()),
            "dead_letters": self._letters[1],
            "kind": server.name,
            "nodes": server.nodes,
            "client": log_client(section.url),
            "server": str(server),
            "apis": server.apis,
        }
        if server.silent:
            facts["nodes_down"] = server.silent
        return Part(name="log", state="ok" if views else "down", facts=facts)

    async def _pipeline(self) -> Part:
        section = self.settings.log
        lags = await self.lags()
        members = await self.members()
        total = sum(lag.lag for lag in lags)
        oldest = [lag.oldest_s for lag in lags if lag.oldest_s is not None]
        facts: dict[str, object] = {
            "group": section.group,
            "lag": total,
            "oldest_s": max(oldest, default=None),
            "partitions": lags,
            "members": members,
        }
        if (why := held_up(lags)) is not None:
            facts["reason"] = why
        if not members:
            facts["reason"] = f"nobody reads for group {section.group}"
            return Part(name="pipeline", state="down", facts=facts)
        return Part(name="pipeline", state="behind" if total else "ok", facts=facts)

    async def members(self) -> Sequence[Member]:
        """Return who reads for the pipeline's group."""
        section = self.settings.log
        async with open_log_operator(section) as operator:
            return await operator.members(section.group, section.topic)

    async def lags(self) -> Sequence[Lag]:
        """Return how far the pipeline is in each partition."""
        section = self.settings.log
        async with open_log_admin(section) as admin, open_log_scanner(section) as scanner:
            # The commits first: a pipeline at work never seems to be ahead.
            commits = await admin.committed_by(section.group, section.topic)
            views = await admin.watermarks(section.topic)
            found: list[Lag] = []
            for partition, ends in sorted(views.items()):
                commit = commits.get(partition)
                at = ends.low if commit is None else commit.offset
                oldest = why = None
                if at < ends.high:
                    try:
                        page = await scanner.scan(
                            section.topic, partition, at, ends.high, max_records=1
                        )
                    except OffsetOutOfRangeError:
                        page = ()  # retention has taken it
                    except LogHeldUpError as error:
                        page, why = (), str(error)
                    oldest = page[0].timestamp_ms if page else None
                found.append(
                    Lag(
                        partition=partition,
                        low=ends.low,
                        committed=None if commit is None else commit.offset,
                        high=ends.high,
                        lag=max(ends.high - at, 0),
                        oldest_s=None if oldest is None else self._age_s(oldest),
                        held_up=why,
                    )
                )
        return found

    async def _warehouse(self) -> Part:
        section = self.settings.warehouse
        target = warehouse_target(section.url)
        async with open_warehouse(section) as warehouse:
            answer = await warehouse.read(_FACTS, {"topic": self.settings.log.topic})
            facts = dict(zip(answer.names, answer.rows[0], strict=True))
            rows = await warehouse.read(_ROWS)
            parts, silent = await parts_of(warehouse, target.database)
        now = facts.pop("now")
        facts["freshness_s"] = None
        if not facts["reports"]:
            facts["last_stored"] = None
        else:
            facts["freshness_s"] = max((now - facts["last_stored"]).total_seconds(), 0.0)  # type: ignore[operator]  # times
        tables = {
            name: {"rows": count, "parts": parts[name].parts, "most": parts[name].most}
            if name in parts
            else {"rows": count, "parts": 0, "most": 0}
            for name, count in zip(rows.names, rows.rows[0], strict=True)
        }
        if silent:
            facts["nodes_down"] = silent
        return Part(
            name="warehouse",
            state="down" if silent else "ok",
            facts={"database": target.database, **facts, "tables": tables},
        )

    def _age_s(self, at_ms: int) -> float:
        return max(self.clock.wall_ms() - at_ms, 0) / 1000


def held_up(lags: Sequence[Lag]) -> str | None:
    """Return why the pipeline cannot read on in some partition."""
    return next((lag.held_up for lag in lags if lag.held_up), None)


async def parts_of(
    warehouse: Shards, database: str
) -> tuple[Mapping[str, Parts], Mapping[str, str]]:
    """Return the parts of each table on the node that has most, and the nodes that are silent."""
    found: dict[str, Parts] = {}
    silent: dict[str, str] = {}
    sql = _PARTS.replace("{database}", database)
    for node, answer in (await warehouse.read_each(sql)).items():
        if not isinstance(answer, Answer):
            silent[node] = str(answer)
            continue
        for name, parts, most in answer.rows:
            table = str(name).removesuffix("_local")
            before = found.get(table, Parts(parts=0, most=0))
            found[table] = Parts(
                parts=max(before.parts, int(str(parts))), most=max(before.most, int(str(most)))
            )
    return found, silent


def log_client(url: str) -> str:
    """Return the client that speaks with the log, with its version."""
    name = "aiokafka" if isinstance(log_target(url), KafkaLogTarget) else "apsw"
    return f"{name} {version(name)}"


def versions(parts: Sequence[Part]) -> Mapping[str, object]:
    """Return which versions are at work, as far as they are known."""
    by_name = {part.name: part.facts for part in parts}
    return {
        "ugc": version("ugc-cli"),
        "log_client": by_name["log"].get("client"),
        "log": by_name["log"].get("server"),
        "clickhouse": by_name["warehouse"].get("version"),
    }


async def _ask(name: str, question: Callable[[], Awaitable[Part]]) -> Part:
    try:
        return await question()
    except (UgcError, OSError) as error:
        return Part(name=name, state="down", facts={"reason": str(error)})
