"""Resume points over HTTP, with a warehouse that answers by script."""

from uuid import UUID

import pytest
from structlog.testing import capture_logs

from ugc_api.reading.answers import utc_text
from ugc_api.reading.resume import Cursor
from ugc_core.errors import QueryRefusedError, WarehouseUnavailableError

AT_MS = 1_767_225_600_250
FILMS = [UUID(int=number) for number in range(1, 9)]
PROFILE = UUID(int=8)


def row(film=FILMS[0], progress_ms=130_500, total_ms=5_400_000, at_ms=AT_MS):
    return (film, progress_ms, total_ms, at_ms)


async def test_a_resume_point_is_given_in_seconds_and_utc(api):
    api.warehouse.rows = [row(api.film)]

    answer = await api.get(api.one)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "film_id": str(api.film),
        "progress": 130.5,
        "total": 5400.0,
        "updated_at": "2026-01-01T00:00:00.250Z",
        "finished": False,
    }


async def test_a_film_that_was_not_watched_is_404(api):
    answer = await api.get(api.one)

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/no-resume-point"


@pytest.mark.parametrize(
    ("progress_ms", "finished"), [(949_999, False), (950_000, True), (1_000_000, True), (0, False)]
)
async def test_a_film_is_finished_from_95_percent_on(api, progress_ms, finished):
    api.warehouse.rows = [row(api.film, progress_ms, 1_000_000)]

    assert (await api.get(api.one)).json()["finished"] is finished


async def test_the_viewer_is_the_user_unless_something_else_is_said(api):
    await api.get(api.one)

    (asked,) = api.warehouse.asked
    assert asked == {"user_id": api.user, "profile_id": api.user, "film_id": api.film}


async def test_the_tokens_profile_is_the_viewer(api):
    await api.get(api.one, profile_id=str(PROFILE))

    assert api.warehouse.asked[0]["profile_id"] == PROFILE


async def test_a_profile_may_be_asked_for_where_the_token_names_none(api):
    await api.get(f"{api.one}?profile_id={PROFILE}")

    assert api.warehouse.asked[0]["profile_id"] == PROFILE


@pytest.mark.parametrize("path", ["one", "many"])
async def test_another_profile_than_the_tokens_is_403(api, path):
    answer = await api.get(f"{getattr(api, path)}?profile_id={FILMS[0]}", profile_id=str(PROFILE))

    assert answer.status_code == 403
    assert answer.json()["errors"][0]["field"] == "profile_id"
    assert api.warehouse.asked == []


@pytest.mark.parametrize("path", ["one", "many"])
@pytest.mark.parametrize("error", [WarehouseUnavailableError, QueryRefusedError])
async def test_a_warehouse_that_cannot_answer_is_503_and_names_no_host(api, path, error):
    api.warehouse.error = error("ClickHouse at 10.0.0.1:9000: refused")

    with capture_logs() as lines:
        answer = await api.get(getattr(api, path))

    assert [line["event"] for line in lines] == ["a read failed"]
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "/problems/warehouse-unavailable"
    assert "10.0.0.1" not in answer.text


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("include_finished=perhaps", "include_finished"),
        ("profile_id=me", "profile_id"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=" + "A" * 65, "cursor"),
        ("cursor=" + "A" * 34, "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=AQ==", "cursor"),
    ],
)
async def test_a_bad_parameter_is_422_and_named(api, query, field):
    answer = await api.get(f"{api.many}?{query}")

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-parameter"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert api.warehouse.asked == []


async def test_a_film_that_is_no_uuid_is_422(api):
    answer = await api.get("/api/v1/progresses/films/42/")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "film_id"


async def test_the_list_asks_for_one_row_more_than_the_page(api):
    await api.get(api.many)

    assert api.warehouse.asked[0]["rows"] == 21
    assert api.warehouse.asked[0]["include_finished"] == 0


async def test_the_last_page_has_no_cursor(api):
    api.warehouse.rows = [row(film) for film in FILMS]

    answer = await api.get(f"{api.many}?limit=8")

    assert len(answer.json()["items"]) == 8
    assert answer.json()["next_cursor"] is None


async def test_a_cursor_leads_to_what_comes_after_the_last_item(api):
    api.warehouse.rows = [row(film) for film in FILMS]
    cursor = (await api.get(f"{api.many}?limit=7")).json()["next_cursor"]

    await api.get(f"{api.many}?limit=7&cursor={cursor}&include_finished=true")

    asked = api.warehouse.asked[1]
    assert asked["before_ms"] == AT_MS
    assert asked["before_film"] == str(FILMS[6])
    assert asked["include_finished"] == 1


async def test_a_warehouse_of_another_shape_is_a_failure_and_not_a_wrong_answer(api):
    api.warehouse.rows = [(str(api.film), 1, 2, 3)]

    with capture_logs() as lines:
        answer = await api.get(api.one)

    assert answer.status_code == 500
    assert lines[0]["event"] == "request failed"


def test_a_cursor_survives_its_text():
    cursor = Cursor(at_ms=AT_MS, film_id=FILMS[3])

    assert Cursor.parse(cursor.text()) == cursor


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (AT_MS, "2026-01-01T00:00:00.250Z"),
        (9_000_000_000_000, "2255-03-14T16:00:00.000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(at_ms, text):
    assert utc_text(at_ms) == text
