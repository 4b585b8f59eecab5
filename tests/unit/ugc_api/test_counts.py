"""Counts that several workers share: what one has counted is in every scrape, for ever."""

import asyncio
import contextlib
import fcntl
import multiprocessing
import os
import resource
import signal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from ugc_api.operating.counts import share
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.refreshing import refreshing
from ugc_api.operating.run_folder import open_counts
from ugc_api.operating.slots import SIZE, Series, Slots, read
from ugc_core.errors import ConfigError

ACCEPTED = {"outcome": "accepted", "reason": ""}


def accepted(metrics: ApiMetrics) -> float:
    return metrics.registry.get_sample_value("ugc_api_events_total", ACCEPTED) or 0


@contextlib.contextmanager
def worker(folder):
    """A worker's metrics; several of one process hold their files as several processes do."""
    with share(folder) as counts:
        yield ApiMetrics(counts)


def test_every_worker_shows_what_all_have_counted(tmp_path):
    with worker(tmp_path) as first, worker(tmp_path) as second:
        first.accepted(2)
        second.accepted(3)
        second.append_ended("acknowledged", 0.003)
        second.append_ended("acknowledged", 60)

        assert accepted(first) == accepted(second) == 5
        found = first.registry.get_sample_value
        bucket = {"outcome": "acknowledged", "le": "0.005"}
        assert found("ugc_api_append_seconds_bucket", bucket) == 1
        assert found("ugc_api_append_seconds_count", {"outcome": "acknowledged"}) == 2
        assert found("ugc_api_append_seconds_sum", {"outcome": "acknowledged"}) == 60.003
        assert found("ugc_api_workers") == 2


def test_what_an_ended_worker_counted_stays_and_its_requests_under_way_do_not(tmp_path):
    with worker(tmp_path) as left:
        with worker(tmp_path) as ended:
            ended.accepted(4)
            ended.in_flight_add(1)
            assert left.registry.get_sample_value("ugc_api_requests_in_flight") == 1

        assert accepted(left) == 4
        assert left.registry.get_sample_value("ugc_api_requests_in_flight") == 0
        with worker(tmp_path) as successor:
            successor.accepted(1)
            assert accepted(left) == accepted(successor) == 5
        assert len(list(tmp_path.glob("*.counts"))) == 2  # the ended one's went into `ended.json`


WORKERS = st.integers(0, 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "count"]), WORKERS), max_size=40))
def test_a_scrape_never_shows_less_or_more_than_was_counted(tmp_path_factory, actions):
    folder, counted = tmp_path_factory.mktemp("workers"), 0
    with contextlib.ExitStack() as rest:
        living: dict[int, tuple[contextlib.ExitStack, ApiMetrics]] = {}
        for action, number in actions:
            if action == "join" and number not in living:
                stack = rest.enter_context(contextlib.ExitStack())
                living[number] = stack, stack.enter_context(worker(folder))
            elif action == "leave" and number in living:
                living.pop(number)[0].close()
            elif action == "count" and number in living:
                living[number][1].accepted(number + 1)
                counted += number + 1
            assert {accepted(metrics) for _, metrics in living.values()} <= {counted}


def test_files_that_a_kill_left_behind_after_they_were_put_together_count_once(tmp_path):
    with worker(tmp_path) as ended:
        ended.accepted(7)
        (path,) = tmp_path.glob("*.counts")
    kept = path.read_bytes()
    with worker(tmp_path) as left:
        path.write_bytes(kept)  # as if it had not been removed yet

        assert accepted(left) == 7
        with worker(tmp_path):
            assert accepted(left) == 7


def test_while_a_worker_joins_a_scrape_shows_what_was_known_last_and_does_not_wait(tmp_path):
    with worker(tmp_path) as metrics:
        metrics.accepted(1)
        assert accepted(metrics) == 1
        with (tmp_path / "lock").open("ab") as joining:
            fcntl.flock(joining, fcntl.LOCK_EX)
            metrics.accepted(1)
            assert accepted(metrics) == 1
        assert accepted(metrics) == 2


def test_without_its_folder_a_worker_shows_its_own(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    with worker(folder) as metrics:
        metrics.accepted(1)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        metrics.accepted(1)

        assert accepted(metrics) == 2


async def test_what_is_followed_reaches_the_other_workers(tmp_path, clock):
    hits = {"hit": 0}
    with worker(tmp_path) as followed, worker(tmp_path) as other:
        for metrics, read_hits in ((followed, lambda: hits), (other, dict)):
            metrics.follow("ugc_api_token_cache_total", "Look-ups", "result", read_hits)
        async with refreshing(followed, clock):
            hits["hit"] = 3
            async with asyncio.timeout(10):
                while _hits(other) != 3:
                    await clock.sleep(0)
            hits["hit"] = 4
        assert _hits(other) == 4


def _hits(metrics: ApiMetrics) -> float | None:
    name = "ugc_api_token_cache_total"
    return metrics.registry.get_sample_value(name, {"result": "hit"})


def test_more_series_than_there_is_room_for_are_counted_nowhere_and_harm_none():
    slots = Slots(memory := bytearray(SIZE))
    first = slots.claim(Series(family="first"))
    slots.values[first] = 1
    for number in range(3000):
        width = 1 + number % 14
        place = slots.claim(Series(family="many", labels=(str(number),)), width)
        for offset in range(width):
            slots.values[place + offset] += 1

    found = dict(read(bytes(memory)))

    assert found.pop(Series(family="first")) == [1]
    assert 50 < len(found) < 3000
    assert all(set(values) == {1.0} for values in found.values())


LABELS = st.lists(st.text(max_size=20), max_size=3).map(tuple)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, st.integers(1, 14)), max_size=30), st.integers(0, 200))
def test_whatever_a_reader_sees_of_a_half_written_name_the_others_are_whole(names, cut):
    slots = Slots(memory := bytearray(SIZE))
    for number, (labels, width) in enumerate(names):
        series = Series(family=str(number), labels=labels)
        slots.values[slots.claim(series, width)] = number
    used = bytes(memory).rstrip(b"\0")
    shown = used[: max(len(used) - cut, 8192)].ljust(SIZE, b"\0") if names else bytes(memory)

    found = list(read(shown))

    expected = [Series(family=str(n), labels=labels) for n, (labels, _) in enumerate(names)]
    assert [series for series, _ in found] == expected[: len(found)]
    assert [values[0] for _, values in found] == list(range(len(found)))


def test_a_process_that_no_multiprocessing_started_counts_for_itself(tmp_path):
    with open_counts(None) as counts:
        metrics = ApiMetrics(counts)
        metrics.accepted(1)

        assert accepted(metrics) == 1
        assert b"process_cpu_seconds_total " in generate_latest(metrics.registry)


def test_a_named_folder_is_shared_and_one_that_cannot_be_used_stops_the_start(tmp_path):
    with open_counts(tmp_path / "new") as one, open_counts(tmp_path / "new") as other:
        ApiMetrics(one).accepted(2)
        assert accepted(ApiMetrics(other)) == 2

    (tmp_path / "file").write_text("")
    refused = pytest.raises(ConfigError, match="UGC_TELEMETRY__WORKERS_DIR")
    with refused, open_counts(tmp_path / "file"):
        pass


def test_folders_of_parents_that_are_gone_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("ugc_api.operating.run_folder._MEMORY", tmp_path)
    parent = SimpleNamespace(pid=os.getppid())
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    gone = tmp_path / f"ugc-api-{os.getuid()}-{os.getppid()}-1"  # began at another time
    foreign = tmp_path / "ugc-api-somebody-else"
    elsewhere = tmp_path / f"ugc-api-{os.getuid()}-{os.getppid()}-2"  # of another container
    for folder in (gone, foreign, elsewhere):
        folder.mkdir()

    with share(elsewhere), open_counts(None) as counts:
        ApiMetrics(counts).accepted(1)

        assert not gone.exists()
        assert foreign.exists()
        (ours,) = set(tmp_path.iterdir()) - {foreign, elsewhere}
        assert ours.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("ugc_api.operating.run_folder._MEMORY", tmp_path)
    parent = SimpleNamespace(pid=os.getppid())
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
    with open_counts(None):
        (folder,) = tmp_path.iterdir()
    folder.chmod(0o777)

    with open_counts(None) as counts:
        ApiMetrics(counts).accepted(1)

        assert counts.pids() == ()


def test_where_there_is_room_for_a_part_alone_nothing_is_shared_and_nothing_left(tmp_path):
    """A limit on the size of files stands in for a folder in memory that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, before[1]))
    try:
        with pytest.raises(ConfigError, match="No space left"), open_counts(tmp_path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(tmp_path.glob("*.counts"))


@pytest.mark.parametrize("left", [b"[]", b"null", b"{}", b'{"rows": [[]], "files": []}'])
def test_a_file_that_is_something_else_stops_neither_start_nor_scrape(tmp_path, left):
    (tmp_path / "ended.json").write_bytes(left)
    with worker(tmp_path) as metrics:
        metrics.accepted(1)

        assert accepted(metrics) == 1


def test_a_file_that_a_power_cut_has_emptied_stops_neither_start_nor_scrape(tmp_path):
    (tmp_path / "ended.json").write_bytes(b"")
    with worker(tmp_path) as metrics:
        metrics.accepted(1)
        (tmp_path / "ended.json").write_bytes(b'{"fil')
        assert accepted(metrics) == 1
