"""Resume points and continue watching from a real warehouse, against plain Python."""

import random
import time
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest

from tests.integration.conftest import make_tables
from tests.integration.processes import ChdbServer
from tests.integration.served_api import bearer, serving
from ugc_core.bootstrap import open_warehouse
from ugc_core.settings import WarehouseSection

NIL = UUID(int=0)
NOW_MS = 1_767_225_600_000
USERS = [UUID(int=number) for number in (1, 2)]
FILMS = [UUID(int=number << 120 | number) for number in range(1, 13)]
MANY = "/api/v1/progresses/"


class Row(NamedTuple):
    """What of a report matters to a resume point."""

    event_id: UUID
    user: UUID
    profile: UUID
    film: UUID
    at_ms: int
    seq: int | None
    progress_ms: int
    total_ms: int
    from_ms: int | None
    kind: str

    @property
    def advances(self) -> bool:
        if self.from_ms is None:
            return self.kind == ""
        return self.progress_ms > self.from_ms

    @property
    def rank(self) -> tuple[int, int, bytes]:
        return self.at_ms, self.seq or 0, self.event_id.bytes


def random_rows(count: int) -> list[Row]:
    """Reports of every kind, with ties in time, of two users with two profiles each."""
    chance = random.Random(7)

    def row(number: int) -> Row:
        user = chance.choice(USERS)
        total_ms = chance.choice([1_000_000, 5_400_000])
        progress_ms = chance.choice([0, chance.randrange(total_ms), total_ms * 95 // 100])
        return Row(
            event_id=UUID(int=chance.getrandbits(128)),
            user=user,
            profile=chance.choice([user, UUID(int=user.int + 100)]),
            film=chance.choice(FILMS),
            at_ms=NOW_MS + chance.randrange(40) * 1000,
            seq=chance.choice([None, 0, number]),
            progress_ms=progress_ms,
            total_ms=total_ms,
            from_ms=chance.choice([None, progress_ms, progress_ms // 2]),
            kind=chance.choice(["", "heartbeat", "pause"]),
        )

    return [row(number) for number in range(count)]


def point(row: Row) -> dict[str, object]:
    """The answer about the latest advancing report."""
    moment = time.gmtime(row.at_ms // 1000)
    return {
        "film_id": str(row.film),
        "progress": row.progress_ms / 1000,
        "total": row.total_ms / 1000,
        "updated_at": time.strftime("%Y-%m-%dT%H:%M:%S", moment) + f".{row.at_ms % 1000:03}Z",
        "finished": row.progress_ms / row.total_ms >= 0.95,
    }


def expected(rows: list[Row], user: UUID, profile: UUID) -> list[dict[str, object]]:
    """Every film of a viewer, the latest first; equal times by the film's text."""
    mine = [row for row in rows if (row.user, row.profile) == (user, profile) and row.advances]
    by_film = sorted(mine, key=attrgetter("film"))
    latest = [max(found, key=attrgetter("rank")) for _, found in groupby(by_film, lambda r: r.film)]
    latest.sort(key=lambda row: (row.at_ms, str(row.film)), reverse=True)
    return [point(row) for row in latest]


async def insert(section: WarehouseSection, rows: list[Row]) -> None:
    columns: dict[str, list[object]] = {
        "event_id": [row.event_id for row in rows],
        "film_id": [row.film for row in rows],
        "user_id": [row.user for row in rows],
        "profile_id": [row.profile for row in rows],
        "session_id": [NIL for _ in rows],
        "seq": [row.seq for row in rows],
        "progress_ms": [row.progress_ms for row in rows],
        "total_ms": [row.total_ms for row in rows],
        "watched_from_ms": [row.from_ms for row in rows],
        "event_time": [row.at_ms for row in rows],
        "viewed_at": [row.at_ms for row in rows],
        "kind": [row.kind for row in rows],
        "received_at": [row.at_ms for row in rows],
    }
    async with open_warehouse(section) as warehouse:
        await warehouse.insert("views_raw", columns, settings={})


class Caller:
    """A client with a token."""

    def __init__(self, client: httpx.AsyncClient, user: UUID) -> None:
        self._client = client
        self._headers = bearer(user)

    async def get(self, path: str, **query: object) -> httpx.Response:
        values = {name: str(value) for name, value in query.items() if value is not None}
        return await self._client.get(path, params=values, headers=self._headers)

    async def pages(self, **query: object) -> list[dict[str, object]]:
        """Read every page from here on."""
        found: list[dict[str, object]] = []
        while True:
            answer = await self.get(MANY, **query)
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            query["cursor"] = answer.json()["next_cursor"]
            if query["cursor"] is None:
                return found


VIEWERS = [(user, profile) for user in USERS for profile in (user, UUID(int=user.int + 100))]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_every_list_equals_a_computation_in_python(fresh_database, tmp_path, limit):
    rows = random_rows(300)
    for start in range(0, 300, 60):
        await insert(fresh_database, rows[start : start + 60])
    await insert(fresh_database, rows[:50])  # an older batch once more

    async with serving(fresh_database, tmp_path) as client:
        for user, profile in VIEWERS:
            caller, wanted = Caller(client, user), expected(rows, user, profile)
            every = await caller.pages(limit=limit, profile_id=profile, include_finished=True)
            unfinished = await caller.pages(limit=limit, profile_id=profile)

            assert every == wanted
            assert unfinished == [found for found in wanted if not found["finished"]]


async def test_every_resume_point_equals_a_computation_in_python(fresh_database, tmp_path):
    rows = random_rows(200)
    await insert(fresh_database, rows)

    async with serving(fresh_database, tmp_path) as client:
        for user, profile in VIEWERS:
            wanted = {found["film_id"]: found for found in expected(rows, user, profile)}
            for film in FILMS:
                path = f"/api/v1/progresses/films/{film}/"
                answer = await Caller(client, user).get(path, profile_id=profile)
                if str(film) in wanted:
                    assert answer.json() == wanted[str(film)]
                else:
                    assert answer.status_code == 404


async def test_a_cursor_stays_right_while_reports_arrive(fresh_database, tmp_path):
    rows = [
        Row(UUID(int=n), USERS[0], USERS[0], film, NOW_MS + n, None, 1000, 5_400_000, None, "")
        for n, film in enumerate(FILMS)
    ]
    await insert(fresh_database, rows)
    shown_first, moved = rows[-1], rows[2]

    async with serving(fresh_database, tmp_path) as client:
        caller = Caller(client, USERS[0])
        page = (await caller.get(MANY, limit=4)).json()
        again = [row._replace(event_id=UUID(int=99), at_ms=NOW_MS + 500) for row in (moved,)]
        again += [shown_first._replace(event_id=UUID(int=98), at_ms=NOW_MS + 501)]
        await insert(fresh_database, again)
        rest = await caller.pages(limit=4, cursor=page["next_cursor"])

    films = [found["film_id"] for found in page["items"] + rest]
    assert len(films) == len(set(films))
    assert set(films) == {str(film) for film in FILMS} - {str(moved.film)}


async def test_nobody_sees_somebody_elses_films(fresh_database, tmp_path):
    await insert(fresh_database, random_rows(100))

    async with serving(fresh_database, tmp_path) as client:
        stranger = Caller(client, UUID(int=77))
        for profile in (None, USERS[0], UUID(int=USERS[0].int + 100)):
            assert await stranger.pages(include_finished=True, profile_id=profile) == []


async def test_a_warehouse_without_tables_degrades_and_reads_say_so(bare_database, tmp_path):
    async with serving(bare_database, tmp_path) as client:
        answer = await Caller(client, USERS[0]).get(MANY)
        readiness = (await client.get("/readyz?verbose")).json()

    assert answer.status_code == 503
    assert readiness["status"] == "degraded"
    assert "resume_points" in readiness["checks"]["warehouse"]["detail"]


async def test_while_the_warehouse_is_down_reports_are_taken_and_reads_say_so(tmp_path):
    server = ChdbServer(tmp_path / "data")
    server.start()
    try:
        section = WarehouseSection(
            url=f"clickhouse://127.0.0.1:{server.port}/movies", connect_timeout_s=2
        )
        await make_tables(section)
        row = random_rows(1)[0]._replace(film=FILMS[0], profile=USERS[0], user=USERS[0])
        row = row._replace(from_ms=None, kind="")
        await insert(section, [row])
        path = f"/api/v1/progresses/films/{FILMS[0]}/"
        async with serving(section, tmp_path) as client:
            caller = Caller(client, USERS[0])
            assert (await caller.get(path)).json() == point(row)

            server.kill()
            reads = [await caller.get(path), await caller.get(MANY)]
            readiness = await caller.get("/readyz", verbose="")
            report = {"progress": 1, "total": 2}
            written = await client.post(path, json=report, headers=bearer(USERS[0]))
            server.start()
            answer = await caller.get(path)

        assert [found.status_code for found in reads] == [503, 503]
        assert reads[0].headers["retry-after"] == "5"
        assert (readiness.status_code, readiness.json()["status"]) == (200, "degraded")
        assert written.status_code == 202
        assert answer.json() == point(row)
    finally:
        server.stop()
