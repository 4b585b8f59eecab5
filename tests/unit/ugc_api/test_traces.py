"""A traced request's context is in the record that it writes; others have none."""

import re
from dataclasses import replace

import httpx
import pytest

from ugc_api.app import create_app

CONTEXT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CARRIED = (("traceparent", CONTEXT),)


class Traces:
    """Traces every request that has a `traceparent`, and remembers how they ended."""

    def __init__(self):
        self.begun = []
        self.ended = []

    def start(self, traceparent, route):
        self.begun.append((traceparent, route))
        return self if traceparent else None

    def insert(self, links, topic, lines):
        raise NotImplementedError

    def headers(self):
        return CARRIED

    def end(self, status):
        self.ended.append(status)


@pytest.fixture
def traces(api):
    """Tracing, put into the application."""
    found = Traces()
    app = create_app(replace(api.services, tracing=found))
    api.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    return found


def records(api):
    return [record for kept in api.log.records.values() for record in kept]


async def test_the_record_of_a_traced_report_carries_its_context(api, traces, make_report):
    api.client.headers["traceparent"] = CONTEXT.decode()
    await api.report(make_report())
    del api.client.headers["traceparent"]
    await api.report(make_report())

    traced, plain = (dict(record.headers) for record in records(api))
    assert traced == {**plain, "traceparent": CONTEXT}
    assert traces.ended == [202]
    route = "/api/v1/progresses/films/{film_id}/"
    assert traces.begun == [(CONTEXT, route), (None, route)]


async def test_a_traced_batch_and_a_refused_report_end_with_their_status(api, traces, make_report):
    api.client.headers["traceparent"] = CONTEXT.decode()
    await api.report([make_report(film_id=str(api.film))], path=api.many)
    await api.report({"progress": 1})

    assert [dict(record.headers)["traceparent"] for record in records(api)] == [CONTEXT]
    assert traces.ended == [202, 422]


async def test_no_path_gets_into_a_trace(api, traces, make_report):
    await api.report(make_report())
    await api.report([make_report(film_id=str(api.film))], path=api.many)

    assert not [route for _, route in traces.begun if re.search(r"[0-9a-f]{8}-", route)]
