"""What clients get wrong, through HTTP, on a running system: each fault by its name."""

import base64
import gzip
import json
import time
from collections.abc import Iterator
from itertools import zip_longest
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.e2e.edge_reports import FILM, GOOD, KEPT, NIL, OTHER, REFUSED, now_ms
from tests.e2e.systems import Up
from ugc_core.uuid7 import make_uuid7

ONE = f"/api/v1/progresses/films/{FILM}/"
MANY = "/api/v1/progresses/"


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    """Somebody who is signed in."""
    with up.client(uuid4()) as client:
        yield client


def problem(answer: httpx.Response) -> dict[str, object]:
    """Return the problem; its form is the same for every error."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    found: dict[str, object] = answer.json()
    assert found["status"] == answer.status_code
    assert found["title"]
    assert found["detail"]
    assert str(found["type"]).startswith(("/problems/", "about:blank"))
    return found


def fields(found) -> list[str]:
    return [error["field"] for error in found.get("errors", [])]


# --- each bound of the event


@pytest.mark.parametrize(
    ("field", "changes"), REFUSED, ids=[f"{field}-{n}" for n, (field, _) in enumerate(REFUSED)]
)
def test_a_report_that_breaks_a_bound_is_refused_by_the_field_s_name(client, field, changes):
    answer = client.post(ONE, json=GOOD | changes)

    assert answer.status_code == 422, answer.text
    found = problem(answer)
    assert found["type"] == "/problems/refused-report"
    assert fields(found) == [field]


@pytest.mark.parametrize("field", ["progress", "total"])
def test_a_report_without_a_required_field_names_it(client, field):
    body = {name: value for name, value in GOOD.items() if name != field}
    answer = client.post(ONE, json=body)

    assert answer.status_code == 422
    assert fields(problem(answer)) == [field]


@pytest.mark.parametrize("field", ["user_id", "profile_id"])
def test_a_report_for_somebody_else_is_forbidden(up: Up, field):
    with up.client(uuid4(), profile=uuid4()) as client:
        answer = client.post(ONE, json=GOOD | {field: OTHER})

    assert answer.status_code == 403
    assert fields(problem(answer)) == [field]


@pytest.mark.parametrize("film", ["a-film", NIL, f"{FILM}0"])
def test_a_film_that_is_none_is_refused(up: Up, film):
    with up.client(uuid4()) as client:
        answer = client.post(f"/api/v1/progresses/films/{film}/", json=GOOD)

    assert answer.status_code == 422
    assert fields(problem(answer)) == ["film_id"]


# --- bodies that are no report at all


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"{"),
        (400, b'{"progress": 120, "total": 5400'),
        (400, b'{"progress": 120, "total": 5400,}'),
        (400, b"{'progress': 120, 'total': 5400}"),
        (400, b'{"progress": NaN, "total": 5400}'),
        (400, b'{"progress": Infinity, "total": 5400}'),
        (422, b'{"progress": 1e999, "total": 5400}'),
        (400, b'{"progress": 120, "total": 5400, "x": ' + b"[" * 7000 + b"]" * 7000 + b"}"),
        (400, b"[" * 16_000),
        (400, b'{"progress": 120, "total": 5400, "device": "\xff"}'),
        (400, b"\x00" * 100),
        (422, b"null"),
        (422, b"[]"),
        (422, b'"text"'),
        (422, b"120"),
        (422, b"{}"),
        (413, b'{"progress": 120, "total": 5400, "x": "' + b"y" * 16_384 + b'"}'),
    ],
)
def test_a_body_that_is_no_report_is_refused(client, status, body):
    answer = client.post(ONE, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status, answer.text
    problem(answer)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
def test_a_body_of_another_kind_is_refused_with_what_is_taken(client, headers):
    answer = client.post(ONE, content=json.dumps(GOOD), headers=headers)

    assert answer.status_code == 415
    problem(answer)
    assert answer.headers.get("accept") or answer.headers.get("accept-encoding")


def test_bytes_that_only_claim_to_be_json_are_refused(up: Up):
    with up.client(uuid4()) as client:
        answer = client.post(
            ONE,
            content=gzip.compress(json.dumps(GOOD).encode()),
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code == 400
    problem(answer)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, "[{]"),
        (400, "[" * 100_000),
        (422, "{}"),
        (422, "null"),
        (413, json.dumps([{"film_id": FILM, **GOOD}] * 501)),
        (413, json.dumps([{"film_id": FILM, **GOOD, "x": "y" * 1000}] * 300)),
    ],
    ids=["broken", "deep", "object", "null", "many", "large"],
)
def test_a_batch_that_is_none_is_refused_as_a_whole(up: Up, status, body):
    user = uuid4()
    with up.client(user) as client:
        answer = client.post(MANY, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status, answer.text
    problem(answer)


def test_a_path_or_method_that_is_none_is_a_problem_too(up: Up):
    with up.client(uuid4()) as client:
        assert problem(client.get("/api/v1/nothing/"))["status"] == 404
        assert "Did you mean" in str(problem(client.post(ONE.rstrip("/"), json=GOOD))["detail"])
        refused = client.delete(ONE)

    assert problem(refused)["status"] == 405
    assert set(refused.headers["allow"].split(", ")) >= {"GET", "POST"}


# --- good neighbours


def test_bad_items_never_cost_their_good_neighbours(up: Up):
    """Every bad report of the table above, between reports at the edge of what is allowed."""
    user = uuid4()
    bad = [changes for _, changes in REFUSED if changes != {"film_id": OTHER}]
    items: list[object] = []
    expected: list[bool] = []
    for refused, kept in zip_longest(bad, KEPT):
        for changes, good in ((refused, False), (kept, True)):
            if changes is not None:
                items.append(GOOD | {"film_id": FILM} | changes)
                expected.append(good)
    items += [None, 7, "text", [], {}, GOOD]
    expected += [False] * 6

    with up.client(user) as client:
        answer = client.post(MANY, json=items)

    assert answer.status_code == 202, answer.text
    verdicts = answer.json()
    assert [item["status"] == "accepted" for item in verdicts["items"]] == expected
    assert verdicts["accepted"] == len(KEPT)
    assert verdicts["refused"] == len(items) - len(KEPT)
    event_ids = [item["event_id"] for item in verdicts["items"] if item["status"] == "accepted"]
    up.stored(event_ids)
    found = up.rows(f"SELECT toString(event_id) FROM views WHERE user_id = '{user}'")
    assert sorted(row[0] for row in found) == sorted(event_ids)
    clamped = up.rows(
        f"SELECT max(progress_ms) FROM views WHERE user_id = '{user}' AND total_ms = 5400000"
    )
    assert clamped == [(5_400_000,)]


@pytest.mark.parametrize("changes", KEPT, ids=range(len(KEPT)))
def test_a_report_at_the_edge_of_what_is_allowed_is_taken(client, changes):
    answer = client.post(ONE, json=GOOD | changes)

    assert answer.status_code == 202, answer.text


def test_a_line_of_ndjson_that_is_broken_costs_no_other(up: Up):
    user = uuid4()
    good = json.dumps(GOOD | {"film_id": FILM})
    lines = [good, "{", good, "[]", "[" * 5000, "\udcff", "", good]
    body = "\n".join(lines).encode("utf-8", "surrogateescape")
    with up.client(user) as client:
        answer = client.post(MANY, content=body, headers={"Content-Type": "application/x-ndjson"})

    verdicts = answer.json()["items"]
    states = [item["status"] == "accepted" for item in verdicts]
    assert states == [True, False, True, False, False, False, True]
    assert {item["problem"]["status"] for item in verdicts if "problem" in item} == {400, 422}
    up.stored([item["event_id"] for item in verdicts if item["status"] == "accepted"])
    assert up.rows(f"SELECT count() FROM views WHERE user_id = '{user}'") == [(3,)]


def test_one_report_sent_many_times_is_one_row(up: Up):
    user = uuid4()
    body = GOOD | {"film_id": FILM, "event_id": str(make_uuid7(now_ms()))}
    with up.client(user) as client:
        single = client.post(ONE, json=body)
        batch = client.post(MANY, json=[body, body]).json()

    assert single.status_code == 202
    assert (batch["accepted"], batch["duplicates"]) == (1, 1)
    up.stored([str(body["event_id"])])
    assert up.rows(f"SELECT count() FROM views WHERE user_id = '{user}'") == [(1,)]


# --- tokens


def unsigned(header: dict[str, object], claims: dict[str, object]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, claims))
    return b".".join(part.rstrip(b"=") for part in parts).decode() + "."


def faulty_tokens(secret: str) -> dict[str, str]:
    now = int(time.time())
    claims: dict[str, object] = {"sub": OTHER, "iat": now, "exp": now + 600, "type": "access"}

    def signed(key: str = secret, alg: str = "HS256", headers=None, **changes: object) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.encode(changed, key, algorithm=alg, headers=headers)

    good = signed()
    head, body, signature = good.split(".")
    return {
        "garbage": "garbage",
        "two parts": f"{head}.{body}",
        "no signature": f"{head}.{body}.",
        "another body": f"{head}.{base64.urlsafe_b64encode(b'{}').decode()}.{signature}",
        "another secret": signed(key="x" * 43),
        "alg none": unsigned({"alg": "none", "typ": "JWT"}, claims),
        "alg HS512": signed(key=secret + secret, alg="HS512"),
        "alg in words": unsigned({"alg": "hs256"}, claims) + signature,
        "expired": signed(exp=now - 60),
        "no exp": signed(exp=None),
        "exp in words": signed(exp="tomorrow"),
        "not yet": signed(nbf=now + 300),
        "from the future": signed(iat=now + 300),
        "a refresh token": signed(type="refresh"),
        "no sub": signed(sub=None),
        "sub is no uuid": signed(sub="me"),
        "profile is no uuid": signed(profile_id="kids"),
        "crit": signed(headers={"crit": ["exp"]}),
        "another type": signed(headers={"typ": "dpop+jwt"}),
        "huge": signed(padding="x" * 9000),
    }


@pytest.mark.parametrize("fault", faulty_tokens("s" * 43))
def test_a_token_with_a_fault_proves_nothing(up: Up, fault):
    token = faulty_tokens(up.secret("token-secret"))[fault]
    headers = {"Authorization": f"Bearer {token}"}

    for answer in (
        httpx.post(f"{up.url}{ONE}", json=GOOD, headers=headers),
        httpx.get(f"{up.url}{MANY}", headers=headers),
    ):
        assert answer.status_code == 401
        found = problem(answer)
        assert found["type"] == "/problems/invalid-token"
        assert token not in answer.text
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic ZG9jczpkb2Nz"}, {"Authorization": "Bearer"}, {"X-User": OTHER}],
)
def test_without_a_bearer_token_nobody_is_asked_for(up: Up, headers):
    answer = httpx.post(f"{up.url}{MANY}", json=[GOOD], headers=headers)

    assert answer.status_code == 401
    problem(answer)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="ugc"')


def test_two_tokens_are_one_too_many(up: Up):
    token = f"Bearer {up.token(OTHER)}"

    answer = httpx.get(
        f"{up.url}{MANY}", headers=[("Authorization", token), ("Authorization", token)]
    )

    assert answer.status_code == 401
    problem(answer)


def test_after_all_of_that_the_system_is_as_well_as_before(up: Up):
    assert httpx.get(f"{up.url}/readyz").status_code == 200
    assert "ended (" not in up.err
    assert "does not answer" not in up.err
    log = (up.data / "logs" / "ugc-api.log").read_text()
    assert "request failed" not in log
    assert "Traceback" not in log
