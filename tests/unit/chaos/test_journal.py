"""What senders remember, and what they send."""

from chaos.journal import Journal, Outcome
from chaos.players import FILMS, Players
from msgspec.structs import replace

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.codec import encode_event

NOW_MS = 1_767_225_600_000


def players(seed: int = 1) -> Players:
    return Players(seed, users=2, now_ms=NOW_MS)


def test_one_seed_makes_the_same_reports_again():
    first, second, other = players(), players(), players(2)

    assert first.users == second.users != other.users
    user = first.users[0]
    assert first.reports(user, 200) == second.reports(user, 200)


def test_every_report_that_players_make_is_accepted_as_it_is():
    made = players()
    user = made.users[0]
    window = Window(max_age_days=30, max_ahead_hours=24)
    events = made.reports(user, 500)

    for event in events:
        report = parse_report(encode_event(event))
        viewer = Viewer(user_id=user)
        accepted = accept(report, viewer, film_id=None, received_ms=NOW_MS, window=window)
        assert replace(accepted, received_at=0) == event
    assert len({event.film_id for event in events}) > FILMS / 2
    assert len({event.event_id for event in events}) == len(events)


def test_a_report_that_was_accepted_once_stays_accepted():
    journal, (event,) = Journal(), players().reports(players().users[0], 1)

    journal.sending([event])
    journal.heard(event.event_id, Outcome.UNKNOWN)
    journal.sending([event])
    journal.heard(event.event_id, Outcome.OK)
    journal.sending([event])
    journal.heard(event.event_id, Outcome.UNKNOWN)

    assert journal.only(Outcome.OK).keys() == {event.event_id}
    assert journal.unknowns == {event.event_id}
    assert journal.repeats == 2


def test_a_report_that_is_on_its_way_has_an_unknown_outcome():
    journal, (event,) = Journal(), players().reports(players().users[0], 1)

    journal.sending([event])

    assert journal.only(Outcome.UNKNOWN).keys() == {event.event_id}
