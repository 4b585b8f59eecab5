"""When the log, the framework or the code fails: the status, and what the client may do."""

import asyncio
import html
import json
from pathlib import Path

import httpx
import msgspec
import pytest
import structlog
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from structlog.testing import capture_logs

from ugc_api.operating.envelope import Envelope
from ugc_api.problems.kinds import KINDS
from ugc_api.problems.problem import Problem
from ugc_core.errors import (
    LogBusyError,
    LogDamagedError,
    LogUnavailableError,
    RecordTooLargeError,
)

GOOD = {"progress": 1, "total": 2}


async def test_a_busy_log_is_503_and_says_that_nothing_was_kept(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogBusyError("4096 are under way")))

    answer = await api.report(GOOD)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "/problems/log-busy"
    assert "Nothing" in answer.json()["detail"]


async def test_a_silent_log_is_503_and_says_that_a_retry_is_right(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogUnavailableError("/data/log.db: busy")))

    answer = await api.report(GOOD)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "/problems/log-unavailable"
    assert "unknown" in answer.json()["detail"]
    assert "same event_id" in answer.json()["detail"]
    assert "/data" not in answer.text


@pytest.mark.parametrize("path", ["one", "many"])
async def test_a_damaged_log_is_503_and_stops_the_process_once(make_api, failing_log, path):
    error = LogDamagedError("the disk refused to sync")
    api = make_api(writer=lambda _: failing_log(error))
    body = GOOD if path == "one" else [GOOD | {"film_id": str(api.film)}]

    answers = [await api.report(body, path=getattr(api, path)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    assert answers[0].json()["type"] == "/problems/stopping"
    assert answers[0].headers["retry-after"] == "5"
    assert "sync" not in answers[0].text
    assert api.damage == [error]


async def test_a_batch_that_the_log_finds_too_large_is_413_and_counted(make_api, failing_log):
    error = RecordTooLargeError("1048577 bytes, at most 1048576")
    api = make_api(writer=lambda _: failing_log(error))

    answer = await api.report([GOOD | {"film_id": str(api.film)}] * 2, path=api.many)
    ready = await api.client.get("/readyz")

    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"
    assert "split" in answer.json()["detail"]
    assert "1048577" not in answer.text
    assert api.metric("ugc_api_events_total", outcome="refused", reason="too-large") == 2
    assert api.metric("ugc_api_append_seconds_count", outcome="too-large") == 1
    assert ready.status_code == 200


async def test_a_bug_is_500_without_internals_and_logged_with_its_traceback(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(KeyError("secret detail")))

    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        answer = await api.report(GOOD)

    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal-error"
    assert "secret detail" not in answer.text
    assert [line["event"] for line in lines] == ["request failed"]
    assert lines[0]["exc_info"]
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert lines[0]["route"] == "/api/v1/progresses/films/{film_id}/"


async def test_a_log_that_is_away_is_logged_now_and_then_and_not_with_every_request(
    make_api, failing_log
):
    api = make_api(writer=lambda _: failing_log(LogUnavailableError("/data/log.db: disk full")))

    with capture_logs() as lines:
        for _ in range(10):
            await api.report(GOOD)
        await api.clock.sleep(6)
        await api.report(GOOD)

    assert [(line["log_level"], line["reason"], line["since_last"]) for line in lines] == [
        ("warning", "/data/log.db: disk full", 0),
        ("warning", "/data/log.db: disk full", 9),
    ]


async def test_an_unknown_path_is_404(api):
    answer = await api.get("/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/not-found"


async def test_a_forgotten_slash_is_404_and_the_right_path_is_named(api):
    answer = await api.report(GOOD, path=api.one.rstrip("/"))

    assert answer.status_code == 404
    assert api.one in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "allow"), [("one", "GET, POST"), ("many", "GET, POST"), ("/livez", "GET, HEAD")]
)
async def test_a_wrong_method_is_405_and_every_right_one_is_named(api, path, allow):
    answer = await api.client.delete(getattr(api, path, path))

    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert answer.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(("status", "title"), [(418, "I'm a Teapot"), (599, "Error")])
async def test_a_status_without_a_kind_of_its_own_is_a_problem_too(api, status, title):
    async def teapot():
        raise HTTPException(status, "no coffee")

    api.framework.add_api_route("/teapot", teapot)

    answer = await api.client.get("/teapot")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": "no coffee",
    }


async def test_an_answer_that_breaks_off_is_left_to_the_server(api):
    async def pieces():
        yield b"one"
        raise KeyError(2)

    async def broken():
        return StreamingResponse(pieces())

    api.framework.add_api_route("/broken", broken)

    with capture_logs() as lines, pytest.raises(KeyError):
        await api.client.get("/broken")

    assert [line["event"] for line in lines] == ["request failed"]


async def test_a_client_that_leaves_before_its_body_is_no_failure(api):
    with capture_logs() as lines:
        await raw_request(api, body=None, leave=True)

    assert lines == []
    assert api.kept() == []


async def test_other_protocols_pass_through(api):
    seen = []

    async def inner(scope, receive, send):
        seen.append(scope["type"])

    async def nothing(*_):
        return {}

    envelope = Envelope(inner, metrics=api.services.metrics, clock=api.clock)
    await envelope({"type": "websocket"}, nothing, nothing)

    assert seen == ["websocket"]


async def test_every_answer_has_a_request_id(api):
    for path in ("/livez", "/nothing", api.one, "/api/docs", "/problems/"):
        answer = await api.client.get(path)
        assert len(answer.headers.get_list("x-request-id")) == 1


async def test_a_sane_request_id_is_kept(api):
    answer = await api.client.get("/livez", headers={"X-Request-ID": "edge-7.Q_1"})

    assert answer.headers["x-request-id"] == "edge-7.Q_1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "\xe9", "<script>", "a;b", 'a"b'])
async def test_another_request_id_is_replaced(api, given):
    answer = await api.client.get("/livez", headers={"X-Request-ID": given.encode("latin-1")})

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 36


async def test_an_append_goes_on_when_the_client_is_gone_and_leaks_nothing(make_api, gated_log):
    api = make_api(writer=gated_log)
    gated = api.services.intake.writer
    request = asyncio.create_task(raw_request(api, body=b'{"progress":1,"total":2}', leave=True))
    async with asyncio.timeout(5):
        await gated.reached.wait()
        assert api.metric("ugc_api_requests_in_flight") == 1
        gated.gate.set()
        await request

    assert len(api.kept()) == 1
    assert api.metric("ugc_api_requests_in_flight") == 0
    assert api.metric("ugc_api_events_total", outcome="accepted", reason="") == 1


async def test_a_cancelled_append_frees_its_place(make_api, gated_log):
    api = make_api(writer=gated_log)
    gated = api.services.intake.writer
    request = asyncio.create_task(raw_request(api, body=b'{"progress":1,"total":2}'))
    async with asyncio.timeout(5):
        await gated.reached.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    assert api.metric("ugc_api_requests_in_flight") == 0
    assert api.metric("ugc_api_append_seconds_count", outcome="aborted") == 1
    route = "/api/v1/progresses/films/{film_id}/"
    assert api.metric("ugc_api_requests_total", method="POST", route=route, status="aborted") == 1


async def raw_request(api, *, body, leave=False):
    """Speak ASGI: send the body, and leave right after it if asked to."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    messages = messages[: body is not None]

    async def receive():
        if messages:
            return messages.pop(0)
        if leave:
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()

    async def send(message):
        if leave:
            return  # a server drops what nobody reads

    headers = [(name.lower().encode(), value.encode()) for name, value in api.bearer().items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": api.one,
        "raw_path": api.one.encode(),
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
    }
    await api.app(scope, receive, send)


@pytest.mark.parametrize("slug", KINDS)
async def test_every_kind_of_problem_has_a_page(api, slug):
    answer = await api.client.get(KINDS[slug].uri)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    text = html.unescape(answer.text)
    assert KINDS[slug].title in text
    assert KINDS[slug].advice in text
    assert all(f"<dt>{field}</dt>" in text for field in Problem.__struct_fields__)
    shown = json.loads(text.partition("<pre>")[2].partition("</pre>")[0].partition("\n\n")[2])
    assert msgspec.convert(shown, Problem).type == KINDS[slug].uri
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_list_of_problems_leads_to_every_page(api):
    answer = await api.client.get("/problems/")

    assert all(f'href="{kind.uri}"' in answer.text for kind in KINDS.values())


async def test_an_unknown_kind_of_problem_is_404(api):
    answer = await api.client.get("/problems/none-such")

    assert answer.status_code == 404
    assert isinstance(answer, httpx.Response)


def test_a_kinds_name_says_its_status_class():
    assert all(400 <= kind.status < 600 for kind in KINDS.values())
    assert len(KINDS) == len({kind.title for kind in KINDS.values()})


def test_the_readme_names_every_kind_of_problem_with_its_status():
    root = Path(__file__).parents[3]
    rows = (root / "packages/ugc-api/README.md").read_text("utf-8").splitlines()

    for kind in KINDS.values():
        assert any(
            row.startswith(f"| {kind.status} ") and f"`{kind.uri}`" in row for row in rows
        ), kind.slug
