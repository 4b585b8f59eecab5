"""Appends that wait for their turn, and batches on their way: what their callers are told."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka import errors as kafka

from ugc_core.adapters.kafka_producer import BATCH_BYTES
from ugc_core.errors import LogUnavailableError, UgcError
from ugc_core.log import Receipt
from ugc_core.packing import Pack, Pending


class Waiting(Pending, kw_only=True, eq=False):
    """An append and the caller that waits for it."""

    done: "asyncio.Future[Receipt]"


class Flight(NamedTuple):
    """A batch on its way to a partition."""

    packs: list[Pack[Waiting]]
    left_at: float

    def callers(self) -> Iterator["asyncio.Future[Receipt]"]:
        """Yield those who wait for it."""
        return (member.done for item in self.packs for member in item.members)

    def landed(self, partition: int, first: int) -> None:
        """Tell each caller where its lines are; the batch begins at the offset `first`."""
        for number, item in enumerate(self.packs):
            for member, line in item.first_lines():
                if not member.done.done():
                    receipt = Receipt(partition=partition, offset=first + number, line=line)
                    member.done.set_result(receipt)

    def failed(self, error: UgcError) -> None:
        """Fail the callers: nobody knows what was kept."""
        for done in self.callers():
            if not done.done():
                done.set_exception(LogUnavailableError(str(error)))


def gather(lane: deque[Waiting]) -> list[Waiting]:
    """Take out what fits into a batch, without those whose time is over."""
    group: list[Waiting] = []
    size = 0
    while lane and (not group or size + lane[0].size <= BATCH_BYTES):
        waiting = lane.popleft()
        if not waiting.done.done():
            group.append(waiting)
            size += waiting.size
    return group


def first_offset(sent: "asyncio.Future[Any]") -> int | BaseException:
    """Return where a batch begins, or why nobody knows.

    A broker may answer that it has seen a batch's number before, and not where the batch is.
    aiokafka counts that as a success at offset -1; but then our numbers are behind the
    broker's, so that later batches, too, would be taken for old ones and never be written.
    """
    if sent.cancelled():
        return ConnectionError("closed")
    error = sent.exception()
    if error is not None:
        return error
    offset = int(sent.result().offset)
    if offset < 0:
        msg = "Kafka says that it has such a batch already, and does not say where; append again"
        nowhere: BaseException = kafka.DuplicateSequenceNumber(msg)
        return nowhere
    return offset
