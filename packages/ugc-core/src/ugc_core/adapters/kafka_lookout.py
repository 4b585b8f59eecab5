"""Looks now and then whether a consumer comes forward, and says or does what helps if not."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from ugc_core.adapters.kafka_consumer import Consumer
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.adapters.kafka_watchdog import Watchdog
from ugc_core.settings import KafkaSection

_log = structlog.get_logger()


class Lookout:
    """Watches one consumer of one topic."""

    def __init__(
        self, consumer: Consumer, queries: KafkaQueries, topic: str, settings: KafkaSection
    ) -> None:
        """Know nothing yet."""
        self._consumer = consumer
        self._queries = queries
        self._topic = topic
        stuck_s, rebalance_s = settings.stuck_after_s, settings.rebalance_timeout_s
        self._client = Watchdog(stuck_s=stuck_s, rebalance_s=rebalance_s)
        self._others = Watchdog(stuck_s=stuck_s, rebalance_s=rebalance_s)

    def moved(self, partitions: Iterable[int]) -> None:
        """Note that records came from these."""
        self._client.moved(partitions, self._now)

    async def look(self, wanted: frozenset[int]) -> None:
        """Throw a consumer away that stands still.

        Args:
            wanted: The partitions from which records should come.
        """
        if self._client.waits_too_long(self._consumer.membership.since, self._now):
            self._consumer.throw_away("the group has not shared out its partitions in time")
        if not self._client.due(self._now) or not wanted:
            return
        # No further than where a transaction is open: waiting for it is not standing still.
        ends = await self._queries.ends(self._topic, wanted, settled=True)
        positions = {p: at for p in wanted if (at := await self._consumer.position(p)) is not None}
        partition = self._client.stuck(positions, ends, self._now)
        if partition is not None:
            at, high = positions[partition], ends[partition].high
            self._consumer.throw_away(f"partition {partition} stands at {at}, it ends at {high}")
            return
        at_end = {p: at for p, at in positions.items() if p in ends and at >= ends[p].high}
        await self._look_beyond(at_end)

    async def _look_beyond(self, at_end: Mapping[int, int]) -> None:
        """Say when another producer's transaction holds us up: it may stay open for long."""
        ends = await self._queries.ends(self._topic, at_end)
        partition = self._others.stuck(at_end, ends, self._now)
        if partition is not None:
            at = at_end[partition]
            _log.warning(
                "kafka_transaction_open",
                topic=self._topic,
                partition=partition,
                offset=at,
                held_up=ends[partition].high - at,
            )

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()
