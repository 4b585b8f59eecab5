"""Compressed bodies through the write routes, and the replaced system's answer."""

import gzip
import json
import sys
from collections.abc import Callable, Mapping

import pytest

from ugc_core.api_settings import ApiSection

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


async def send(api, path, body, coding, kind="application/json", compressed=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind, "Content-Encoding": coding} | api.bearer()
    content = COMPRESS[coding](data) if compressed is None else compressed
    return await api.client.post(path, content=content, headers=headers)


@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_single_report_may_be_compressed(api, make_report, coding):
    report = make_report()

    answer = await send(api, api.one, report, coding)

    assert answer.status_code == 202
    assert [str(event.event_id) for event in api.kept()] == [report["event_id"]]


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
async def test_a_batch_may_be_compressed(api, make_report, coding, lines):
    items = [make_report(film_id=str(api.film)) for _ in range(3)]
    body = b"\n".join(json.dumps(item).encode() for item in items)
    if lines:
        answer = await send(api, api.many, body, coding, "application/x-ndjson")
    else:
        answer = await send(api, api.many, items, coding)

    assert answer.json()["accepted"] == 3


@pytest.mark.parametrize("coding", COMPRESS)
async def test_a_body_that_grows_past_the_limit_is_413(make_api, coding):
    api = make_api(settings=ApiSection(max_body_bytes=1000, max_batch_bytes=1000))

    for path in (api.one, api.many):
        answer = await send(api, path, bytes(1_000_000), coding)
        assert answer.status_code == 413
        assert answer.json()["type"] == "/problems/too-large"


async def test_a_broken_stream_is_400(api):
    answer = await send(api, api.one, b"", "gzip", compressed=b"\x1f\x8b\x08 nonsense")

    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-encoding"


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "deflate"])
async def test_another_coding_is_415_before_the_body_is_read(api, coding):
    answer = await send(api, api.many, b"", coding, compressed=b"x" * 1_000_000)

    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, zstd"


async def test_the_old_answer_is_given_where_it_is_wanted_and_means_kept(make_api, make_report):
    api = make_api(settings=ApiSection(legacy_answers=True))

    answer = await api.report({"user_id": str(api.user), "progress": 120, "total": 5400})
    refused = await api.report({"progress": 120})
    batch = await api.report([make_report(film_id=str(api.film))], path=api.many)

    assert (answer.status_code, answer.json()) == (202, {"content": {"result": True}})
    assert answer.headers["content-type"] == "application/json"
    assert refused.json()["type"] == "/problems/refused-report"
    assert batch.json()["accepted"] == 1
    assert len(api.kept()) == 2


async def test_the_old_answer_is_not_given_for_what_is_not_kept(make_api, failing_log, make_report):
    api = make_api(
        writer=lambda log: failing_log(OSError("broken")), settings=ApiSection(legacy_answers=True)
    )

    answer = await api.report(make_report())

    assert answer.status_code == 500
    assert "result" not in answer.text
