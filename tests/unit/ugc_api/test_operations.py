"""Liveness, readiness and metrics."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ugc_api.operating.health import Health
from ugc_core.errors import (
    LogBusyError,
    LogDamagedError,
    LogUnavailableError,
    WarehouseUnavailableError,
)

GOOD = {"progress": 1, "total": 2}
DOWN = WarehouseUnavailableError("ClickHouse at 10.0.0.1:9000 is not reachable")


class SilentWarehouse:
    """Accepts every question and answers none."""

    async def read(self, sql, parameters=None, *, settings=None):
        return await asyncio.Event().wait()

    async def execute(self, sql, *, settings=None):
        raise NotImplementedError

    async def insert(self, table, columns, *, settings):
        raise NotImplementedError


async def test_liveness_depends_on_nothing(api):
    api.warehouse.error = DOWN
    api.log.topics.clear()

    answer = await api.client.get("/livez")

    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_may_ask_with_head(api, path):
    answer = await api.client.head(path)

    assert answer.status_code == 200


async def test_an_instance_whose_log_takes_reports_is_ready(api):
    assert (await api.client.get("/readyz")).status_code == 200
    assert (await api.client.get("/readyz?verbose")).json() == {
        "status": "ready",
        "checks": {"log": {"status": "ok"}, "warehouse": {"status": "ok"}},
    }


async def test_a_warehouse_that_is_down_degrades_and_reports_are_still_taken(api):
    api.warehouse.error = DOWN

    verbose = await api.client.get("/readyz?verbose")

    assert (await api.client.get("/readyz")).status_code == 200
    assert verbose.status_code == 200
    assert verbose.json()["status"] == "degraded"
    assert verbose.json()["checks"]["warehouse"]["detail"] == str(DOWN)
    assert (await api.report(GOOD)).status_code == 202


async def test_without_the_topic_an_instance_is_not_ready(api):
    api.log.topics.clear()

    verbose = await api.client.get("/readyz?verbose")

    assert (await api.client.get("/readyz")).status_code == 503
    assert (verbose.status_code, verbose.json()["status"]) == (503, "unavailable")
    assert "ugc init" in verbose.json()["checks"]["log"]["detail"]


async def test_readiness_is_asked_once_a_second_at_most_and_follows_the_log(api):
    topics = dict(api.log.topics)
    statuses = []
    for there, seconds in ((True, 0), (False, 0.5), (False, 0.5), (True, 0.5), (True, 0.5)):
        await api.clock.sleep(seconds)
        api.log.topics = topics if there else {}
        statuses.append((await api.client.get("/readyz")).status_code)

    assert statuses == [200, 200, 503, 503, 200]


async def test_a_failed_append_keeps_traffic_away_for_a_moment(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogUnavailableError("disk full")))
    statuses = [(await api.client.get("/readyz")).status_code]
    await api.report(GOOD)
    for seconds in (0, 4.9, 0.2):
        await api.clock.sleep(seconds)
        statuses.append((await api.client.get("/readyz")).status_code)

    assert statuses == [200, 503, 503, 200]


async def test_being_busy_keeps_no_traffic_away(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogBusyError("full")))
    await api.report(GOOD)

    assert (await api.client.get("/readyz")).status_code == 200


async def test_an_append_that_succeeds_ends_the_wait(api):
    api.services.health.appended(LogUnavailableError("slow"))
    assert (await api.client.get("/readyz")).status_code == 503

    await api.report(GOOD)

    assert (await api.client.get("/readyz")).status_code == 200


async def test_a_damaged_log_is_never_ready_again(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogDamagedError("sync")))
    await api.report(GOOD)
    await api.clock.sleep(3600)

    assert (await api.client.get("/readyz")).status_code == 503


async def test_damage_that_only_the_probe_sees_stops_the_process_too(api):
    error = LogDamagedError("corrupt")

    async def watermarks(topic):
        raise error

    api.services.health._admin.watermarks = watermarks

    assert (await api.client.get("/readyz")).status_code == 503
    assert api.damage == [error]


async def test_a_dependency_that_is_silent_is_not_waited_for(api):
    health = Health(
        admin=api.services.health._admin,
        warehouse=SilentWarehouse(),
        topic="views",
        clock=api.clock,
        on_damage=api.damage.append,
        timeout_s=0.01,
    )

    readiness = await health.report()

    assert readiness.status == "degraded"
    assert readiness.checks["warehouse"].detail == "no answer within 0.01 s"


async def test_metrics_count_what_became_of_reports(api, make_report):
    film = {"film_id": str(api.film)}
    twice = make_report(**film)
    await api.report(make_report())
    await api.report({"progress": 1})
    await api.report([twice, twice, make_report(**film), {}, 1], path=api.many)

    found = api.metric
    assert found("ugc_api_events_total", outcome="accepted", reason="") == 3
    assert found("ugc_api_events_total", outcome="duplicate", reason="") == 1
    assert found("ugc_api_events_total", outcome="refused", reason="refused-report") == 3
    assert found("ugc_api_append_seconds_count", outcome="acknowledged") == 2


async def test_metrics_count_what_the_log_did_not_take(make_api, failing_log):
    api = make_api(writer=lambda _: failing_log(LogUnavailableError("slow")))
    await api.report(GOOD)

    assert api.metric("ugc_api_events_total", outcome="refused", reason="log-unavailable") == 1
    assert api.metric("ugc_api_append_seconds_count", outcome="log-unavailable") == 1


async def test_metrics_know_templates_and_neither_films_nor_users(api):
    await api.report(GOOD)
    await api.get(api.one)
    await api.client.get("/secret/path/42")
    await api.client.request("BREW", "/livez")

    text = (await api.client.get("/metrics")).text

    assert str(api.film) not in text
    assert str(api.user) not in text
    assert "secret" not in text
    samples = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "ugc_api_requests_total"
    }
    assert samples == {
        ("POST", "/api/v1/progresses/films/{film_id}/", "202"),
        ("GET", "/api/v1/progresses/films/{film_id}/", "404"),
        ("GET", "none", "404"),
        ("other", "/livez", "405"),
    }


async def test_openmetrics_is_spoken_on_request(api):
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}

    answer = await api.client.get("/metrics", headers=accept)

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_two_applications_count_apart(make_api):
    first, second = make_api(), make_api()
    await first.report(GOOD)

    assert second.metric("ugc_api_events_total", outcome="accepted", reason="") == 0


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=1..0"]
)
async def test_whatever_a_scraper_accepts_it_gets_metrics(api, accept):
    answer = await api.client.get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
