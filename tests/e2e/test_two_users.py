"""Whatever two users report, neither reads anything of the other."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.e2e.systems import STORED_S, Up, until
from ugc_core.clock import SystemClock
from ugc_core.uuid7 import make_uuid7

MANY = "/api/v1/progresses/"
ODD = (
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "\u202egpj.exe",
    "a\u0000b",
    "a\r\nb\tc\u001b[31m",
    "🎬" * 50,
    "{user_id:UUID}",
    "%s %(a)s ${a} {{7*7}}",
    "\ufeff\u2028\u2029",
)


def reports(film_ids: Sequence[UUID], progress: int) -> list[dict[str, Any]]:
    now_ms = SystemClock().wall_ms()
    return [
        {
            "event_id": str(make_uuid7(now_ms)),
            "film_id": str(film_id),
            "progress": progress,
            "total": 5400,
            "extra": {text: [text], "user_id": str(UUID(int=1))},
        }
        for film_id, text in zip(film_ids, ODD, strict=True)
    ]


def send(client: httpx.Client, items: list[dict[str, Any]]) -> None:
    answer = client.post(MANY, json=items)
    assert answer.json()["accepted"] == len(items), answer.text


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    """Wait until all that the user has reported can be read, and return it."""

    def found() -> list[dict[str, Any]] | None:
        items: list[dict[str, Any]] = client.get(f"{MANY}?limit=100").json()["items"]
        return items if len(items) >= len(ODD) else None

    return until(found, "the user's films are listed", within_s=STORED_S) or []


@pytest.mark.parametrize("shared", [True, False], ids=["the-same-films", "films-of-their-own"])
def test_each_user_reads_exactly_what_that_user_reported(up: Up, shared: bool):
    first, second = uuid4(), uuid4()
    films = {first: [uuid4() for _ in ODD]}
    films[second] = films[first] if shared else [uuid4() for _ in ODD]
    with up.client(first) as one, up.client(second) as other:
        send(one, reports(films[first], 100))
        send(other, reports(films[second], 200))

        for client, user, progress in ((one, first, 100), (other, second, 200)):
            items = listed(client)
            assert {item["film_id"] for item in items} == {str(film) for film in films[user]}
            assert {item["progress"] for item in items} == {progress}
            foreign = [film for film in films[first] + films[second] if film not in films[user]]
            for film in foreign:
                assert client.get(f"{MANY}films/{film}/").status_code == 404


def test_a_cursor_of_another_user_opens_nothing(up: Up):
    first, second = uuid4(), uuid4()
    with up.client(first) as one, up.client(second) as other:
        send(one, reports([uuid4() for _ in ODD], 100))
        listed(one)
        cursor = one.get(f"{MANY}?limit=2").json()["next_cursor"]

        assert cursor
        assert other.get(f"{MANY}?cursor={cursor}").json()["items"] == []
        assert other.get(f"{MANY}?cursor={cursor}&profile_id={first}").json()["items"] == []
