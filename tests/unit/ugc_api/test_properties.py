"""Whatever is sent, the answer is never the service's fault."""

import asyncio
import json

import jwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ugc_core.clock import ManualClock

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.uuids().map(str)
    | st.datetimes().map(str)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
FIELDS = st.sampled_from(
    [
        "progress",
        "total",
        "watched_from",
        "event_id",
        "film_id",
        "user_id",
        "profile_id",
        "viewed_at",
        "clock_offset_ms",
        "session_id",
        "seq",
        "kind",
        "device",
        "extra",
        "other",
    ]
)
REPORTS = st.dictionaries(FIELDS, VALUES) | st.fixed_dictionaries(
    {"progress": st.floats(0, 10), "total": st.floats(0, 10)},
    optional={
        "watched_from": SCALARS,
        "event_id": SCALARS,
        "film_id": st.uuids().map(str),
        "viewed_at": SCALARS,
        "clock_offset_ms": SCALARS,
        "seq": SCALARS,
        "kind": SCALARS,
        "device": SCALARS,
        "extra": VALUES,
    },
)
TEXTS = (REPORTS | st.lists(REPORTS) | VALUES).map(lambda value: json.dumps(value).encode())
BODIES = TEXTS | st.binary() | st.lists(TEXTS).map(b"\n".join)
NAMES = st.sampled_from(
    b"authorization content-type content-length content-encoding x-request-id accept expect host"
    b" cookie traceparent".split()
) | st.binary(min_size=1, max_size=20)
HEADER = st.tuples(NAMES, st.binary(max_size=50))
PATHS = st.sampled_from(["one", "many", "/readyz", "/metrics", "/api/docs", "/"]) | st.text().map(
    lambda text: f"/api/v1/progresses/films/{text}/"
)
METHODS = st.sampled_from(["GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS"])
FAST = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def send(api, method, path, headers, body, query=b""):
    """Speak ASGI, which lets through what an HTTP client would not send."""
    sent = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def answer(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    with capture_logs():  # a traceback of each failing example would drown the report
        await api.app(scope, receive, answer)
    return sent[0]


def check(start):
    assert start["status"] < 500
    for name, value in start["headers"]:
        assert not set(name + value) & {0, 10, 13}


@FAST
@given(body=BODIES, path=st.sampled_from(["one", "many"]), lines=st.booleans())
def test_no_body_makes_the_service_fail(make_api, body, path, lines):
    api = make_api()
    kind = b"application/x-ndjson" if lines and path == "many" else b"application/json"
    headers = [(b"content-type", kind), (b"authorization", f"Bearer {api.token()}".encode())]

    start = asyncio.run(send(api, "POST", getattr(api, path), headers, body))

    check(start)
    assert (start["status"] == 202) >= bool(api.kept())


@FAST
@given(
    line=st.tuples(METHODS, PATHS, st.binary(max_size=50)),
    headers=st.lists(HEADER),
    body=st.binary(max_size=50),
    token=st.booleans(),
)
def test_no_request_makes_the_service_fail(make_api, line, headers, body, token):
    api = make_api()
    method, path, query = line
    if token:
        headers = [(b"authorization", f"Bearer {api.token()}".encode()), *headers]

    check(asyncio.run(send(api, method, getattr(api, path, path), headers, body, query)))


@FAST
@given(claims=st.dictionaries(st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "type"]), VALUES))
def test_no_claims_make_the_service_fail(make_api, claims):
    api = make_api()
    assert isinstance(api.clock, ManualClock)
    token = jwt.api_jws.encode(
        json.dumps({"sub": str(api.user), "exp": 2e9} | claims).encode(),
        "0123456789abcdef0123456789abcdef",
        "HS256",
    )

    headers = [(b"authorization", f"Bearer {token}".encode())]
    check(asyncio.run(send(api, "POST", api.one, headers, b'{"progress":1,"total":2}')))
