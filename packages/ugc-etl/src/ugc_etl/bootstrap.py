"""The pipeline, put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from ugc_core import warehouse_schema
from ugc_core.backoff import Backoff
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_consumer,
    open_log_writer,
    open_warehouse,
)
from ugc_core.clock import Clock
from ugc_core.observing import observing
from ugc_core.settings import LogSection, Settings
from ugc_core.sources import secrets_of
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Shards
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.delivery import Delivery
from ugc_etl.metrics import EtlMetrics
from ugc_etl.partition_check import PartitionCheck
from ugc_etl.pipeline import Pipeline
from ugc_etl.retry import Retry


@asynccontextmanager
async def open_pipeline(
    settings: Settings, *, clock: Clock, metrics: EtlMetrics
) -> AsyncIterator[Pipeline]:
    """Open everything the settings name, and close it in reverse order.

    Waits for log and warehouse to be there: a service that starts before them is normal.

    Raises:
        ConfigError: The settings cannot work.
        InUseError: Another process is the group's reader.
    """
    target = warehouse_target(settings.warehouse.url)
    backoff = Backoff(first_s=settings.etl.retry_first_s, most_s=settings.etl.retry_most_s)
    retry = Retry(clock=clock, backoff=backoff, on_failure=metrics.failed)
    dlq_topic = settings.log.dlq_topic
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        secrets = secrets_of(settings)
        tracing = await enter(
            observing(settings.telemetry, service="ugc-etl", clock=clock, secrets=secrets)
        )
        warehouse = await enter(open_warehouse(settings.warehouse))
        consumer = await retry.until_done(
            "log", lambda: enter(open_log_consumer(settings.log, clock=clock))
        )
        dlq_writer = await retry.until_done(
            "dead letters", lambda: enter(open_log_writer(settings.log, dlq_topic, clock=clock))
        )
        await retry.until_done("tables", partial(warehouse_schema.require, warehouse, target))
        check = partition_check(warehouse, settings)
        await retry.until_done("partitions", partial(check, 0))
        deliveries = partial(
            Delivery,
            committer=consumer,
            store=ClickHouseStore(warehouse, target, check=check),
            dead_letters=LogDeadLetters(dlq_writer),
            oldest=partial(_oldest, settings.log),
            retry=retry,
            metrics=metrics,
            max_bad_in_a_row=settings.etl.max_bad_in_a_row,
            insert_tokens=settings.etl.insert_tokens,
            tracing=tracing,
        )
        yield Pipeline(
            topic=settings.log.topic,
            consumer=consumer,
            deliveries=deliveries,
            clock=clock,
            limits=settings.etl,
            retry=retry,
            metrics=metrics,
        )


async def _oldest(log: LogSection, partition: int) -> int:
    async with open_log_admin(log) as admin:
        return (await admin.watermarks(log.topic))[partition].low


def partition_check(warehouse: Shards, settings: Settings) -> PartitionCheck:
    """Return what holds the topic's partitions to a multiple of the warehouse's shards."""

    async def count() -> int:
        async with open_log_admin(settings.log) as admin:
            return len(await admin.watermarks(settings.log.topic))

    cluster = warehouse_target(settings.warehouse.url).cluster or "of one server"
    return PartitionCheck(warehouse, count, cluster=cluster)
