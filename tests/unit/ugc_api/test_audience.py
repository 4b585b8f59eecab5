"""The routes of analysts, with a warehouse that answers by script."""

import asyncio
from datetime import date

import msgspec
import pytest
from structlog.testing import capture_logs

from ugc_api.reading.audiences import MAX_BUCKETS, Audiences, usual_width
from ugc_core.audience import Audience, Days
from ugc_core.clock import SystemClock
from ugc_core.errors import QueryRefusedError, WarehouseUnavailableError
from ugc_core.warehouse import Answer

ROLES = ["analyst"]
NUMBERS = Audience(length_s=100, reach=3, plays=4, watch_time_s=250, unique_s=200, completed=1)
ROUTES = ("", "/retention", "/live")


class FilmWarehouse:
    """Answers as the three queries would; `gate` holds it up."""

    def __init__(self, numbers: Audience = NUMBERS) -> None:
        self.numbers = numbers
        self.asked: list[dict[str, object]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrivals: asyncio.Queue[None] = asyncio.Queue()
        self.running = self.most_running = 0

    async def read(self, sql, parameters=None, *, settings=None) -> Answer:
        self.asked.append(dict(parameters))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.arrivals.put_nowait(None)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if "at_ms" in parameters:
            return Answer(names=("viewers",), types=("UInt64",), rows=[(7,)])
        if "bucket_s" in parameters:
            names = ("bucket", "viewers", "plays", "starts", "stops")
            return Answer(names=names, types=(), rows=[(0, 3, 4, 4, 0), (2, 1, 1, 0, 4)])
        row = msgspec.structs.astuple(self.numbers)
        return Answer(names=self.numbers.__struct_fields__, types=(), rows=[row])


@pytest.fixture
def base(api) -> str:
    return f"/api/v1/films/{api.film}/audience"


@pytest.fixture
def films(api) -> FilmWarehouse:
    """Puts a warehouse with one film behind the routes."""
    warehouse = FilmWarehouse()
    api.warehouse.read = warehouse.read
    return warehouse


async def test_a_films_numbers_and_what_follows_from_them(api, base, films):
    answer = await api.get(f"{base}?since=2026-01-01&until=2026-01-31", roles=ROLES)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "film_id": str(api.film),
        "since": "2026-01-01",
        "until": "2026-01-31",
        "as_of": "2026-01-01T00:00:00.000Z",
        "length_s": 100,
        "reach": 3,
        "plays": 4,
        "watch_time_s": 250,
        "unique_s": 200,
        "rewatched_s": 50,
        "average_view_s": 62.5,
        "completed": 1,
        "completion_share": 0.333333,
    }
    days = {"since": "2026-01-01", "until": "2026-01-31"}
    assert films.asked == [{"film_id": api.film, **days}]


async def test_a_film_that_nobody_watched_has_zeros_and_no_division(api, base, films):
    films.numbers = Audience(length_s=0, reach=0, plays=0, watch_time_s=0, unique_s=0, completed=0)

    numbers = (await api.get(base, roles=ROLES)).json()
    curve = (await api.get(f"{base}/retention", roles=ROLES)).json()

    assert (numbers["average_view_s"], numbers["completion_share"]) == (0, 0)
    assert (numbers["since"], numbers["until"]) == (None, None)
    assert (curve["buckets"], curve["length_s"]) == ([], 0)


async def test_a_curve_has_every_bucket_and_the_whole(api, base, films):
    curve = (await api.get(f"{base}/retention?bucket_s=30", roles=ROLES)).json()

    assert (curve["length_s"], curve["reach"], curve["bucket_s"]) == (100, 3, 30)
    assert [bucket["start_s"] for bucket in curve["buckets"]] == [0, 30, 60, 90]
    assert [bucket["viewers"] for bucket in curve["buckets"]] == [3, 0, 1, 0]
    assert [bucket["stops"] for bucket in curve["buckets"]] == [0, 0, 4, 0]


async def test_viewers_now_are_those_of_the_moment_that_is_named(api, base, films):
    answer = await api.get(f"{base}/live", roles=ROLES)

    assert answer.json() == {
        "film_id": str(api.film),
        "viewers": 7,
        "as_of": "2026-01-01T00:00:00.000Z",
    }
    assert films.asked[0]["at_ms"] == api.clock.wall_ms()


@pytest.mark.parametrize("route", ROUTES)
async def test_without_the_role_it_is_403_and_nothing_is_asked(api, base, films, route):
    for roles in (None, [], ["Analyst"], ["viewer"], ["analyst "]):
        answer = await api.get(f"{base}{route}", roles=roles)

        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/role-required"
        assert 'scope="analyst"' in answer.headers["www-authenticate"]
    assert films.asked == []


@pytest.mark.parametrize("route", ROUTES)
async def test_the_role_comes_before_the_parameters_and_the_token_before_the_role(
    api, films, route
):
    path = f"/api/v1/films/nothing/audience{route}?since=x"

    assert (await api.client.get(path)).status_code == 401
    assert (await api.get(path)).status_code == 403
    assert (await api.get(path, roles=ROLES)).status_code == 422


@pytest.mark.parametrize("route", ROUTES)
async def test_a_film_that_is_no_uuid_is_422(api, route):
    answer = await api.get(f"/api/v1/films/42/audience{route}", roles=ROLES)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "film_id"


@pytest.mark.parametrize("route", ["", "/retention"])
@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "day",
    [
        *("", "0", "1767225600", "20260101", "2026-W01-1", "2026-02-30", "2026-1-1", "0000-01-01"),
        *("10000-01-01", "2026-01-01T00:00:00", "%D9%A2026-01-01", "a%00b"),
    ],
)
async def test_what_is_no_day_is_422_and_named(api, base, films, route, name, day):
    answer = await api.get(f"{base}{route}?{name}={day}", roles=ROLES)

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-parameter"
    assert answer.json()["errors"][0]["field"] == name
    assert films.asked == []


async def test_days_past_what_the_warehouse_can_tell_are_no_bound(api, base, films):
    answer = await api.get(f"{base}?since=0001-01-01&until=9999-12-31", roles=ROLES)

    assert (answer.json()["since"], answer.json()["until"]) == (None, None)
    assert (films.asked[0]["since"], films.asked[0]["until"]) == ("1970-01-01", "2149-06-06")


async def test_days_the_wrong_way_round_are_422(api, base, films):
    answer = await api.get(f"{base}?since=2026-01-02&until=2026-01-01", roles=ROLES)

    assert answer.json()["errors"] == [{"field": "until", "reason": "lies before since"}]


@pytest.mark.parametrize("width", ["0", "-1", "1.5", "x", "172801", "9" * 5000])
async def test_a_width_out_of_bounds_is_422(api, base, films, width):
    answer = await api.get(f"{base}/retention?bucket_s={width}", roles=ROLES)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "bucket_s"
    assert films.asked == []


async def test_seconds_may_be_asked_for_up_to_three_hours_of_film(api, base, films):
    films.numbers = msgspec.structs.replace(NUMBERS, length_s=MAX_BUCKETS)
    longest = await api.get(f"{base}/retention?bucket_s=1", roles=ROLES)
    await api.clock.sleep(10)
    films.numbers = msgspec.structs.replace(NUMBERS, length_s=MAX_BUCKETS + 1)
    longer = await api.get(f"{base}/retention?bucket_s=1", roles=ROLES)

    assert len(longest.json()["buckets"]) == MAX_BUCKETS
    assert longer.status_code == 422
    assert "takes 2 or more" in longer.json()["detail"]


@pytest.mark.parametrize("length_s", [1, 60, 300, 301, 5400, 7200, 10_800, 86_400, 172_800])
def test_the_usual_width_gives_few_hundred_buckets(length_s):
    width = usual_width(length_s)

    assert -(-length_s // width) <= 300
    assert width == 1 or length_s / width > 100


async def test_equal_questions_are_one_to_the_warehouse(api, base, films):
    films.gate.clear()
    waiting = [asyncio.create_task(api.get(f"{base}/retention", roles=ROLES)) for _ in range(10)]
    await films.arrivals.get()
    films.gate.set()
    answers = await asyncio.gather(*waiting)

    assert {answer.status_code for answer in answers} == {200}
    assert len(films.asked) == 2  # its numbers, its curve


async def test_numbers_are_given_again_for_ten_seconds_and_say_so(api, base, films):
    first = (await api.get(base, roles=ROLES)).json()["as_of"]
    await api.clock.sleep(9)
    again = (await api.get(base, roles=ROLES)).json()["as_of"]
    await api.clock.sleep(1)
    later = (await api.get(base, roles=ROLES)).json()["as_of"]

    assert first == again == "2026-01-01T00:00:00.000Z"
    assert later == "2026-01-01T00:00:10.000Z"


async def test_few_questions_are_under_way_at_once(films, api, clock):
    audiences = Audiences(warehouse=films, clock=clock, fresh_s=10, timeout_s=20)
    films.gate.clear()
    days = [Days(since=date(2026, 1, number)) for number in range(1, 9)]
    waiting = [asyncio.create_task(audiences.numbers(api.film, each)) for each in days]
    await films.arrivals.get()
    await films.arrivals.get()
    films.gate.set()
    await asyncio.gather(*waiting)

    assert len(films.asked) == 8
    assert films.most_running == 2


async def test_a_warehouse_that_says_nothing_is_given_up(films, api):
    audiences = Audiences(warehouse=films, clock=SystemClock(), fresh_s=10, timeout_s=0.01)
    films.gate.clear()

    with pytest.raises(WarehouseUnavailableError, match=r"within 0\.01 s"):
        await audiences.curve(api.film, Days(), None)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "error", [WarehouseUnavailableError("down"), QueryRefusedError("no table")]
)
async def test_a_warehouse_that_is_down_is_503(api, base, route, error):
    api.warehouse.error = error

    with capture_logs() as said:
        answer = await api.get(f"{base}{route}", roles=ROLES)

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/warehouse-unavailable"
    assert answer.headers["retry-after"] == "5"
    assert [line["event"] for line in said] == ["a read failed"]
