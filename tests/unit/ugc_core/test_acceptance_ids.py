"""Whose report it is and of which film: the ids, the path and the token."""

from uuid import UUID

import pytest

from tests.unit.ugc_core.accepted_reports import FILM, NIL, OTHER, PROFILE, USER, accepted, refused
from ugc_core.acceptance import Viewer
from ugc_core.errors import ForeignReportError


@pytest.mark.parametrize("field", ["event_id", "film_id", "profile_id", "session_id"])
def test_a_nil_uuid_is_refused(make_report, field):
    assert refused(make_report(**{field: NIL}), film_id=None if field == "film_id" else FILM) == (
        field,
        "must not be the nil UUID; leave the field out instead",
    )


def test_a_nil_film_in_the_path_is_refused(make_report):
    field, reason = refused(make_report(), film_id=UUID(int=0))

    assert field == "film_id"
    assert "nil UUID" in reason


def test_the_film_comes_from_the_path_or_the_report(make_report):
    assert accepted(make_report(), film_id=OTHER).film_id == OTHER
    assert accepted(make_report(film_id=str(OTHER)), film_id=None).film_id == OTHER
    assert accepted(make_report(film_id=str(OTHER)), film_id=OTHER).film_id == OTHER


def test_a_film_that_is_named_nowhere_is_required(make_report):
    assert refused(make_report(), film_id=None) == ("film_id", "is required")


def test_a_film_that_differs_from_the_path_is_refused(make_report):
    assert refused(make_report(film_id=str(OTHER))) == (
        "film_id",
        "differs from the film in the path",
    )


@pytest.mark.parametrize("user_id", [str(OTHER), NIL])
def test_another_user_is_foreign(make_report, user_id):
    with pytest.raises(ForeignReportError) as caught:
        accepted(make_report(user_id=user_id))

    assert (caught.value.field, caught.value.reason) == ("user_id", "is not the token's user")


def test_another_profile_than_the_tokens_is_foreign(make_report):
    viewer = Viewer(user_id=USER, profile_id=PROFILE)
    with pytest.raises(ForeignReportError) as caught:
        accepted(make_report(profile_id=str(OTHER)), viewer=viewer)

    assert (caught.value.field, caught.value.reason) == ("profile_id", "is not the token's profile")


def test_the_tokens_profile_need_not_be_repeated(make_report):
    viewer = Viewer(user_id=USER, profile_id=PROFILE)

    assert accepted(make_report(), viewer=viewer).profile_id == PROFILE
    assert accepted(make_report(profile_id=str(PROFILE)), viewer=viewer).profile_id == PROFILE


def test_a_token_without_a_profile_lets_the_report_name_one(make_report):
    assert accepted(make_report(profile_id=str(PROFILE))).profile_id == PROFILE


def test_the_users_own_id_as_profile_is_no_profile(make_report):
    assert accepted(make_report(profile_id=str(USER))).profile_id is None
    assert accepted(make_report(), viewer=Viewer(user_id=USER, profile_id=USER)).profile_id is None
