"""A receipt says where the lines are, or there is none: whatever a broker answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from chaos.produce_answers import ProduceAnswers, duplicate, lost
from chaos.produce_requests import OutOfOrder
from chaos.wire import Wire

from tests.kafka_logs import kafka_ports, kafka_section, kafka_target
from ugc_core.adapters.kafka_writer import KafkaLogWriter
from ugc_core.clock import SystemClock
from ugc_core.codec import split_lines
from ugc_core.errors import LogUnavailableError

CLOCK = SystemClock()
KEPT_BY_BROKERS = 5
"""Of so many batches of a producer a broker knows where they are."""


@pytest.fixture
def section(kafka):
    return kafka_section(kafka.url, partitions=1)


@asynccontextmanager
async def detoured(section, kafka, wire: Wire) -> AsyncIterator[KafkaLogWriter]:
    """Open a writer whose every word passes a proxy."""
    wire.target, port = kafka[1].detour
    away = msgspec.structs.replace(section, url=kafka.detour_url)
    async with (
        wire.listening(port),
        KafkaLogWriter.open(kafka_target(away), section.topic, away, clock=CLOCK) as writer,
    ):
        yield writer


async def stored(log, high: int) -> list[list[bytes]]:
    """Return the lines of every record."""
    found = await log.scanner.scan(log.writer._topic, 0, 0, high, max_records=100)
    return [split_lines(record.value) for record in found]


async def test_a_batch_whose_acknowledgement_was_lost_is_there_once_and_its_receipt_is_right(
    section, kafka
):
    answers = ProduceAnswers(change=lost)
    wire = Wire(rewrite=answers.request, answer=answers.answer)
    async with kafka_ports(section, CLOCK) as log, detoured(section, kafka, wire) as writer:
        first = await writer.append(b"viewer", [b"0"])
        answers.wanted = 1
        again = await writer.append(b"viewer", [b"1"])
        last = await writer.append(b"viewer", [b"2"])
        lines = await stored(log, 3)

    assert not answers.wanted
    assert [one.offset for one in (first, again, last)] == [0, 1, 2]
    assert lines == [[b"0"], [b"1"], [b"2"]]


async def test_a_broker_that_has_a_batch_and_does_not_know_where_gets_nobody_a_receipt(
    section, kafka
):
    # No broker of today says so: 1.0 did, and others that speak the protocol may.
    answers = ProduceAnswers(change=duplicate)
    wire = Wire(rewrite=answers.request, answer=answers.answer)
    async with kafka_ports(section, CLOCK) as log, detoured(section, kafka, wire) as writer:
        await writer.append(b"viewer", [b"0"])
        answers.wanted = 1
        with pytest.raises(LogUnavailableError, match="does not say where"):
            await writer.append(b"viewer", [b"1"])
        again = await writer.append(b"viewer", [b"1"])
        lines = await stored(log, 3)

    assert again.offset == 2
    assert lines == [[b"0"], [b"1"], [b"1"]]


async def test_a_number_that_is_too_old_for_the_broker_is_refused_and_a_new_producer_takes_over(
    section, kafka
):
    stale = OutOfOrder(by=-KEPT_BY_BROKERS - 2)
    async with (
        kafka_ports(section, CLOCK) as log,
        detoured(section, kafka, Wire(rewrite=stale)) as writer,
    ):
        for number in range(KEPT_BY_BROKERS + 3):
            await writer.append(b"viewer", [b"%d" % number])
        stale.wanted = 1
        with pytest.raises(LogUnavailableError, match="OutOfOrderSequenceNumber"):
            await writer.append(b"viewer", [b"refused"])
        again = await writer.append(b"viewer", [b"again"])
        lines = await stored(log, again.offset + 1)

    assert again.offset == KEPT_BY_BROKERS + 3
    assert lines[-1] == [b"again"]
