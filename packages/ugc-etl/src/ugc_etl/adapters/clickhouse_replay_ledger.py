"""Replays in the table `ingested`, through the warehouse port."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ugc_core.events import Event
from ugc_core.migrations import local_suffix
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Column, ShardedWarehouse
from ugc_etl.adapters.clickhouse_store import UNHIDDEN
from ugc_etl.replay.plans import Kind, Plan, plan_topic
from ugc_etl.replay.ports import ReplayLedger
from ugc_etl.replay.spans import Span
from ugc_etl.rows import Rows

_ISLANDS = """
    SELECT partition, min(first_offset) AS start, max(last_offset) + 1 AS end
    FROM
    (
        SELECT partition, first_offset, last_offset, sum(apart) OVER one AS island
        FROM
        (
            SELECT partition, first_offset, last_offset,
                first_offset > 1 + max(last_offset) OVER
                (
                    PARTITION BY partition ORDER BY first_offset, last_offset
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS apart
            FROM ingested FINAL
            WHERE topic = {topic:String}
        )
        WINDOW one AS (PARTITION BY partition ORDER BY first_offset, last_offset)
    )
    GROUP BY partition, island
    ORDER BY partition, start
"""
_PLAN = """
    SELECT topic, content_hash AS kind, partition, first_offset AS start, last_offset + 1 AS end
    FROM ingested FINAL
    WHERE topic IN {topics:Array(String)}
    ORDER BY partition, start
"""
# The first two are the table's key, so that few granules are read.
_STORED = """
    SELECT DISTINCT film_id, user_id, profile_id, event_id
    FROM views_raw
    WHERE film_id IN {films:Array(UUID)} AND user_id IN {users:Array(UUID)}
        AND event_id IN {events:Array(UUID)}
"""
_ASKED_AT_ONCE = 1500
"""Reports in one question; its text stays below ClickHouse's 256 KiB."""

Identity = tuple[UUID, UUID, UUID, UUID]


class _PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    topic: str
    kind: Kind
    partition: int
    start: int
    end: int


class ClickHouseReplayLedger:
    """Keeps plans as rows without lines, under names that no topic has."""

    def __init__(self, warehouse: ShardedWarehouse, target: WarehouseTarget) -> None:
        """Use the tables of `target`."""
        self._warehouse = warehouse
        self._local = local_suffix(target)

    async def note(self, plan: Plan) -> None:
        """Insert every span in one block, on the first shard: a plan is whole or not there."""
        many = len(plan.spans)
        columns: dict[str, Column] = {
            "topic": [plan.plan_topic] * many,
            "partition": [span.partition for span in plan.spans],
            "first_offset": [span.start for span in plan.spans],
            "last_offset": [span.end - 1 for span in plan.spans],
            "content_hash": [plan.kind.value] * many,
        }
        columns |= {name: [0] * many for name in ("records", "lines", "stored", "dead", "erased")}
        await self._warehouse.insert_for(0, f"ingested{self._local}", columns, settings=UNHIDDEN)

    async def find(self, replay_id: str, topics: Sequence[str]) -> Plan | None:
        """Read the plan back."""
        names = {plan_topic(topic, replay_id): topic for topic in topics}
        answer = await self._warehouse.read(_PLAN, {"topics": [*names]})
        rows = [
            msgspec.convert(dict(zip(answer.names, row, strict=True)), _PlanRow)
            for row in answer.rows
        ]
        if not rows:
            return None
        return Plan(
            id=replay_id,
            kind=rows[0].kind,
            topic=names[rows[0].topic],
            spans=tuple(
                Span(partition=row.partition, start=row.start, end=row.end) for row in rows
            ),
        )

    async def covered(self, topic: str) -> Sequence[Span]:
        """Join the ranges in the database: a row a batch would be many."""
        answer = await self._warehouse.read(_ISLANDS, {"topic": topic})
        return [
            msgspec.convert(dict(zip(answer.names, row, strict=True)), Span) for row in answer.rows
        ]

    async def stored(self, rows: Rows) -> int:
        """Ask for some identities at a time."""
        found = 0
        for start in range(0, len(rows), _ASKED_AT_ONCE):
            found += await self._stored(rows.events[start : start + _ASKED_AT_ONCE])
        return found

    async def _stored(self, events: Sequence[Event]) -> int:
        wanted = [*_identities(events)]
        parameters = {
            "films": [*{identity[0] for identity in wanted}],
            "users": [*{identity[1] for identity in wanted}],
            "events": [*{identity[3] for identity in wanted}],
        }
        answer = await self._warehouse.read(_STORED, parameters)
        there = {tuple(row) for row in answer.rows}
        return sum(identity in there for identity in wanted)


def _identities(events: Sequence[Event]) -> Iterator[Identity]:
    for event in events:
        yield event.film_id, event.user_id, event.profile_id or event.user_id, event.event_id


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _ledger: type[ReplayLedger] = ClickHouseReplayLedger
