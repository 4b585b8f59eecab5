"""Erasures: alone in their batch, in order, and once."""

from uuid import UUID

import pytest

from tests.unit.ugc_etl.builders import NOW_MS, event, line, record
from tests.unit.ugc_etl.fakes import World
from ugc_core.codec import (
    ERASURE_HEADERS,
    EVENT_HEADERS,
    Erasure,
    decode_erasures,
    encode_erasure,
    is_erasure,
)
from ugc_core.errors import MalformedLineError
from ugc_core.log import Record
from ugc_core.settings import EtlSection
from ugc_etl.batches import Batch, Lane
from ugc_etl.erasures import ErasedUser, ErasedUsers

USER, OTHER = UUID(int=1), UUID(int=2)


def erasure_line(user: UUID = USER, requested_at: int = NOW_MS) -> bytes:
    return encode_erasure(Erasure(user_id=user, requested_at=requested_at))


def erasure_record(offset: int, *users: UUID, requested_at: int = NOW_MS) -> Record:
    lines = [erasure_line(user, requested_at) for user in users or (USER,)]
    return record(offset, *lines, headers=ERASURE_HEADERS)


def batch(*records: Record) -> Batch:
    return Batch(topic="views", partition=records[0].partition, records=records)


# --- the record


def test_an_erasure_record_is_told_by_its_header_and_read_back_whole():
    found = erasure_record(0, USER, OTHER)

    assert is_erasure(found.headers)
    assert not is_erasure(EVENT_HEADERS)
    assert [erasure.user_id for erasure in decode_erasures(found.value)] == [USER, OTHER]


@pytest.mark.parametrize("value", [b"", b"{}", b'{"user_id":1,"requested_at":1}', b"\xff"])
def test_an_erasure_record_that_cannot_be_read_is_an_error(value):
    with pytest.raises(MalformedLineError, match="erasure record"):
        decode_erasures(value)


# --- what is hidden


def erased(offset: int = 10, requested_ms: int = NOW_MS) -> ErasedUsers:
    return ErasedUsers(
        [ErasedUser(user_id=USER, partition=3, offset=offset, requested_ms=requested_ms)]
    )


@pytest.mark.parametrize(
    ("partition", "offset", "made_ms", "hidden"),
    [
        (3, 9, NOW_MS + 1, True),  # before it in the log, by a clock that runs ahead
        (3, 11, NOW_MS + 1, False),
        (3, 11, NOW_MS - 1, True),  # made before, accepted later
        (3, 11, NOW_MS, False),
        (2, 9, NOW_MS + 1, False),  # another partition has other offsets
        (2, 9, NOW_MS - 1, True),
    ],
)
def test_a_report_is_hidden_by_its_place_or_by_its_time(partition, offset, made_ms, hidden):
    made = event(1, viewed_at=made_ms)

    assert erased().hides(made, partition=partition, offset=offset) is hidden


def test_another_users_reports_are_not_hidden():
    assert not erased().hides(event(1, user_id=OTHER), partition=3, offset=0)


def test_the_event_time_counts_and_not_the_players_clock():
    late = event(1, viewed_at=NOW_MS - 5000, clock_offset_ms=6000)

    assert not erased().hides(late, partition=3, offset=11)


# --- its batch


def test_an_erasure_stands_alone_in_its_batch():
    lane = Lane(topic="views", partition=0, limits=EtlSection())
    records = [record(0), record(1), erasure_record(2), record(3), erasure_record(4)]
    lane.add(records, now=0.0)

    batches = []
    while found := lane.flush(now=0.0):
        batches.append([each.offset for each in found.records])

    assert batches == [[0, 1], [2], [3], [4]]


# --- its delivery


async def test_what_came_before_is_deleted_and_what_comes_after_is_kept():
    world = World()
    delivery = world.delivery()
    for found in (
        record(0, line(1), line(2, user_id=OTHER)),
        erasure_record(1),
        record(2, line(3, viewed_at=NOW_MS + 1), line(4, viewed_at=NOW_MS - 1)),
    ):
        await delivery.deliver(batch(found), None)

    assert {each.event_id for each in world.store.events} == {
        event(2).event_id,
        event(3).event_id,
    }
    counts = [(e.lines, e.stored, e.dead, e.erased) for e in world.store.ledger.values()]
    assert counts == [(2, 2, 0, 0), (1, 0, 0, 1), (2, 1, 0, 1)]


async def test_a_repeated_erasure_leaves_what_came_after_it():
    world = World()
    delivery = world.delivery()
    await delivery.deliver(batch(erasure_record(0)), None)
    await delivery.deliver(batch(record(1, line(1, viewed_at=NOW_MS + 1))), None)

    again = world.delivery()
    await again.deliver(batch(erasure_record(0)), None)

    assert [each.event_id for each in world.store.events] == [event(1).event_id]


async def test_lines_before_an_erasure_stay_out_when_they_are_read_again():
    world = World()
    delivery = world.delivery()
    await delivery.deliver(batch(record(0, line(1, viewed_at=NOW_MS + 1))), None)
    await delivery.deliver(batch(erasure_record(1)), None)

    again = world.delivery()
    await again.deliver(batch(record(0, line(1, viewed_at=NOW_MS + 1))), None)

    assert world.store.events == []


async def test_an_erasure_that_cannot_be_read_is_a_dead_letter():
    world = World()
    bad = record(0, b"{nobody}", headers=ERASURE_HEADERS)

    await world.delivery().deliver(batch(bad), None)

    (letter,) = world.letters.letters.values()
    (entry,) = world.store.ledger.values()
    assert "erasure record" in letter.reason
    assert (entry.lines, entry.dead, entry.erased) == (1, 1, 0)


async def test_without_tokens_inserts_name_nothing():
    world = World()
    delivery = world.delivery()
    delivery.insert_tokens = False

    await delivery.deliver(batch(record(0)), None)

    assert world.store.tokens == [""]
