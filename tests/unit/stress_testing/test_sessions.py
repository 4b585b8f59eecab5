"""The rule that makes sittings of ratings: always the same, and with everything in it."""

from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from datasets.movielens_sessions import chosen
from datasets.ratings import Rating, ratings
from datasets.sending import by_user, requests
from datasets.sessions import HEARTBEAT_MS, Report, length_ms, reports

from ugc_core.acceptance import Viewer, Window, accept, parse_report

UNTIL_MS = 1_790_000_000_000
FEW = [Rating(row, row % 7, row % 60, 0.5 + row % 10 / 2, UNTIL_MS) for row in range(1, 1500)]


@pytest.fixture(scope="module")
def sittings() -> list[list[Report]]:
    return [reports(rating) for rating in FEW]


def test_a_rating_always_becomes_the_same_reports():
    assert reports(FEW[0]) == reports(FEW[0]) != reports(FEW[1])


def test_no_two_reports_share_an_id(sittings):
    ids = [report.event_id for sitting in sittings for report in sitting]

    assert len(set(ids)) == len(ids)


def test_a_report_covers_at_most_a_heartbeat_and_never_leaves_the_film(sittings):
    for report in (report for sitting in sittings for report in sitting):
        assert 0 <= report.progress_ms <= report.total_ms
        if report.from_ms is not None:
            assert 0 < report.progress_ms - report.from_ms <= HEARTBEAT_MS


def test_stretches_of_a_sitting_follow_one_another_until_a_jump(sittings):
    for sitting in sittings:
        for before, after in pairwise(sitting):
            if before.kind == "heartbeat":
                at_its_end = after.kind == "end" and after.progress_ms == before.progress_ms
                assert after.from_ms == (None if at_its_end else before.progress_ms)
                assert after.at_ms - before.at_ms == after.progress_ms - before.progress_ms


def test_everything_that_players_do_is_in_it(sittings):
    every = [report for sitting in sittings for report in sitting]
    kinds = Counter(report.kind for report in every)

    assert set(kinds) == {"start", "heartbeat", "pause", "seek", "end", None}
    assert {report.profile_id is None for report in every} == {True, False}
    assert {report.offset_ms == 0 for report in every} == {True, False}
    assert {report.session_id is None for report in every} == {True, False}
    assert any(len({report.session_id for report in sitting}) == 2 for sitting in sittings)
    assert any(sitting[-1].progress_ms == sitting[-1].total_ms for sitting in sittings)


def test_the_more_stars_the_more_is_played():
    def seconds(stars: float) -> int:
        rated = [rating for rating in FEW if rating.stars == stars]
        played = [report for rating in rated for report in reports(rating)]
        return len(played) // len(rated)

    assert seconds(0.5) < seconds(2.5) < seconds(5.0)


def test_lengths_are_minutes_as_seconds_and_a_few_films_keep_their_minutes():
    assert length_ms(49) == (75 + 49) * 1000
    assert length_ms(50) == (75 + 50) * 60_000


def test_the_api_takes_every_report_and_keeps_what_the_oracle_counts(sittings):
    for report in (report for sitting in sittings[:200] for report in sitting):
        event = accept(
            parse_report(msgspec.json.encode(report.body())),
            Viewer(user_id=report.user_id),
            film_id=None,
            received_ms=report.viewed_ms,
            window=Window(),
        )

        assert event == report.event()


def test_requests_hold_every_report_and_send_two_in_a_hundred_again():
    own = by_user(FEW)[3]
    sent = [report for request in requests(own) for report in request.reports]
    once = {report.event_id for rating in own for report in reports(rating)}
    again = sum(request.repeated for request in requests(own))

    assert {report.event_id for report in sent} == once
    assert len(sent) == len(once) + again
    assert 0.01 < again / len(once) < 0.03


def test_requests_are_singles_and_batches_in_nearly_the_order_of_the_reports():
    found = [*requests(by_user(FEW)[3])]
    times = [report.at_ms for request in found for report in request.reports]
    behind = [max(0, before - after) for before, after in pairwise(times)]

    assert {len(request.reports) == 1 for request in found} == {True, False}
    assert max(len(request.reports) for request in found) <= 500
    assert 0 < max(behind) <= 3 * 3_600_000


def test_a_short_run_takes_whole_films_of_a_few_users():
    every = ratings(until_ms=UNTIL_MS)

    assert len(every) == len(chosen(None, until_ms=UNTIL_MS)) == 100_004
    few = chosen(3000, until_ms=UNTIL_MS)
    assert len(few) == 3000
    assert max(rating.user for rating in few) <= 150
