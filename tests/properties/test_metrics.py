"""Laws that the oracle's numbers obey whatever was reported."""

from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.metrics import (
    Tie,
    continue_watching,
    film_metrics,
    in_order,
    kept,
    live_viewers,
    resume_points,
    seconds_of,
    viewer_of,
)

from ugc_core.codec import encode_event
from ugc_core.events import Event

NOON_MS = 1_767_268_800_000
HOUR_MS = 3_600_000
USERS = [UUID(int=n) for n in (1, 2)]


@st.composite
def reports(draw: st.DrawFn, number: int) -> Event:
    total_ms = draw(st.sampled_from([1, 499, 1500, 60_000, 100_500]))
    progress_ms = draw(st.integers(0, total_ms))
    from_ms = draw(st.none() | st.integers(0, progress_ms))
    moment = NOON_MS + draw(st.integers(-48, 48)) * HOUR_MS
    return Event(
        event_id=UUID(int=number + 1),
        film_id=UUID(int=draw(st.sampled_from([7, 7, 7, 8]))),
        user_id=draw(st.sampled_from(USERS)),
        profile_id=draw(st.sampled_from([None, *USERS])),
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        watched_from=None if from_ms is None else from_ms / 1000,
        viewed_at=moment,
        session_id=draw(st.sampled_from([None, UUID(int=3), UUID(int=4)])),
        seq=draw(st.none() | st.integers(0, 3)),
        kind=draw(st.sampled_from([None, "pause"])),
        received_at=moment,
    )


watched = st.integers(1, 12).flatmap(lambda many: st.tuples(*map(reports, range(many))))


@given(watched, st.randoms(use_true_random=False))
def test_no_number_depends_on_the_order_of_the_reports(events, chance):
    other = [*events]
    chance.shuffle(other)

    assert film_metrics(other, 7) == film_metrics(events, 7)
    assert resume_points(other) == resume_points(events)
    for viewer in map(viewer_of, events):
        assert continue_watching(other, viewer) == continue_watching(events, viewer)


@given(watched, st.data())
def test_copies_that_were_accepted_later_change_nothing(events, data):
    later = [
        msgspec.structs.replace(event, received_at=event.received_at + 1)
        for event in data.draw(st.lists(st.sampled_from(events), max_size=5))
    ]
    copies = data.draw(st.permutations([*events, *later]))

    found = kept(((copy, encode_event(copy)) for copy in copies), Tie())

    assert sorted(found, key=lambda event: event.event_id) == [*events]


@given(watched, st.integers(1, 200))
def test_the_numbers_of_a_film_fit_together(events, bucket_s):
    found = film_metrics(events, bucket_s)

    assert found.reach <= found.plays <= found.watch_time_s
    assert 0 <= found.rewatched_s == found.watch_time_s - found.unique_s
    assert found.completed <= found.reach
    assert sum(bucket.starts for bucket in found.curve) == found.plays
    assert sum(bucket.stops for bucket in found.curve) == found.plays
    assert all(bucket.viewers <= min(found.reach, bucket.plays) for bucket in found.curve)
    assert len(found.curve) == -(-found.length_s // bucket_s)


@given(watched)
def test_a_curve_of_one_second_buckets_adds_up_to_the_seconds(events):
    found = film_metrics(events, 1)

    assert sum(bucket.viewers for bucket in found.curve) == found.unique_s
    assert sum(bucket.plays for bucket in found.curve) == found.watch_time_s


@given(watched, st.integers(-3, 3))
def test_days_that_are_asked_for_part_the_reports(events, day):
    cut = NOON_MS // (24 * HOUR_MS) + day
    before, after = (
        [event for event in events if (event.event_time_ms // (24 * HOUR_MS) <= cut) is early]
        for early in (True, False)
    )

    assert film_metrics(events, 7, until_day=cut) == film_metrics(before, 7)
    assert film_metrics(events, 7, since_day=cut + 1) == film_metrics(after, 7)


@settings(max_examples=50)
@given(watched)
def test_finished_films_are_all_that_a_short_list_lacks(events):
    for viewer in set(map(viewer_of, events)):
        films = [(film, at) for (who, film), at in resume_points(events).items() if who == viewer]
        every = in_order(films, include_finished=True)

        assert continue_watching(events, viewer, include_finished=True) == every
        assert continue_watching(events, viewer) == [
            (film, at) for film, at in every if at.progress_ms * 100 < at.total_ms * 95
        ]


@given(watched, st.integers(-49, 49))
def test_live_viewers_are_at_most_the_viewers(events, hour):
    live = live_viewers(events, NOON_MS + hour * HOUR_MS)

    assert 0 <= live <= len(set(map(viewer_of, events)))


@given(st.integers(0, 200_000), st.integers(0, 600_000), st.integers(0, 600_000))
def test_two_neighbouring_stretches_tile(start, first, second):
    def stretch(from_ms: int, to_ms: int) -> frozenset[int]:
        event = msgspec.structs.replace(BLANK, watched_from=from_ms / 1000, progress=to_ms / 1000)
        return seconds_of(event)

    middle, end = start + first, start + first + second
    left, right = stretch(start, middle), stretch(middle, end)

    assert not left & right
    assert left | right == stretch(start, end)


BLANK = Event(
    event_id=UUID(int=1),
    film_id=UUID(int=7),
    user_id=UUID(int=1),
    progress=0.0,
    total=172_800.0,
    viewed_at=NOON_MS,
    received_at=NOON_MS,
)
