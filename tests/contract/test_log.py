"""What every log adapter promises (ugc_core/log.py), proved for each of them."""

import asyncio

import pytest

from ugc_core.codec import split_lines
from ugc_core.errors import ConfigError, LogBusyError, OffsetOutOfRangeError
from ugc_core.log import ChangeKind, Commit, Receipt, Topic, Watermarks
from ugc_core.partitioner import partition_for

HOUR_S = 3600.0
HOUR_MS = 3_600_000

KEYS = tuple(
    next(b"user-%d" % n for n in range(1000) if partition_for(b"user-%d" % n, 4) == partition)
    for partition in range(4)
)
"""One key for each of four partitions."""


# --- LogWriter


@pytest.mark.guarantee("LOG-1")
async def test_lines_of_one_key_come_back_in_the_order_of_the_calls(open_log):
    async with open_log() as log:
        for n in range(5):
            await log.writer.append(b"viewer", [b"%d" % n])

        [lines] = (await log.lines()).values()

    assert lines == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.guarantee("LOG-1")
async def test_calls_made_at_once_keep_the_order_of_each_key(open_log):
    calls = [(b"key-%d" % (n % 3), b"key-%d:%d" % (n % 3, n)) for n in range(60)]
    async with open_log() as log:
        await asyncio.gather(*(log.writer.append(key, [line]) for key, line in calls))

        found = [line for lines in (await log.lines()).values() for line in lines]

    for key in {key for key, _ in calls}:
        assert [line for line in found if line.startswith(key)] == [
            line for of_key, line in calls if of_key == key
        ]


@pytest.mark.guarantee("LOG-1")
async def test_a_key_goes_where_any_kafka_client_would_send_it(open_log):
    keys = [b"user-%d" % n for n in range(40)]
    async with open_log() as log:
        receipts = [await log.writer.append(key, [b"x"]) for key in keys]

    assert [receipt.partition for receipt in receipts] == [partition_for(key, 4) for key in keys]


@pytest.mark.guarantee("LOG-2")
async def test_acknowledged_lines_are_there_after_a_restart(open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a", b"b"])

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a", b"b"]


@pytest.mark.guarantee("LOG-3")
async def test_a_receipt_leads_to_the_lines_of_its_call(open_log):
    calls = [
        (b"key-%d" % (n % 5), [b"%d.%d" % (n, m) for m in range(n % 4 + 1)]) for n in range(40)
    ]
    async with open_log() as log:
        receipts = await asyncio.gather(*(log.writer.append(key, lines) for key, lines in calls))

        found = await log.records()

    kept = {(r.partition, r.offset): r for records in found.values() for r in records}
    for receipt, (key, lines) in zip(receipts, calls, strict=True):
        record = kept[receipt.partition, receipt.offset]
        start = receipt.line
        assert split_lines(record.value)[start : start + len(lines)] == lines
        assert record.key in {key, None}


@pytest.mark.guarantee("LOG-3")
async def test_a_record_of_one_key_carries_the_key_the_headers_and_the_time(open_log, clock):
    async with open_log() as log:
        receipt = await log.writer.append(b"viewer", [b"a", b"b"], headers=(("v", b"1"),))

        [[record]] = (await log.records()).values()

    assert (record.partition, record.offset) == (receipt.partition, receipt.offset)
    assert record.key == b"viewer"
    assert record.value == b"a\nb"
    assert dict(record.headers) == {"v": b"1", "lines": b"2"}
    assert record.timestamp_ms == clock.wall_ms()


@pytest.mark.guarantee("LOG-3")
async def test_calls_with_other_headers_do_not_share_a_record(open_log):
    async with open_log() as log:
        await asyncio.gather(
            log.writer.append(b"viewer", [b"a"], headers=(("v", b"1"),)),
            log.writer.append(b"viewer", [b"b"], headers=(("v", b"2"),)),
        )

        [records] = (await log.records()).values()

    assert [(r.value, dict(r.headers)["v"]) for r in records] == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.guarantee("LOG-4")
async def test_past_the_bound_an_append_fails_at_once_and_keeps_nothing(open_log):
    async with open_log(max_in_flight=2) as log:
        first, second, third = await asyncio.gather(
            *(log.writer.append(b"viewer", [b"%d" % n]) for n in range(3)), return_exceptions=True
        )
        [lines] = (await log.lines()).values()

        again = await log.writer.append(b"viewer", [b"again"])

    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert isinstance(third, LogBusyError)
    assert lines == [b"0", b"1"]
    assert isinstance(again, Receipt)


# --- LogReader


@pytest.mark.guarantee("LOG-5")
async def test_without_a_commit_reading_starts_at_the_oldest_record(open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a"])
        await log.lines()

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a"]


@pytest.mark.guarantee("LOG-5")
async def test_after_a_restart_reading_resumes_at_the_last_commit(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(b"viewer", [b"%d" % n]) for n in range(3)]
        await log.lines()
        await log.reader.commit({receipts[1].partition: Commit(offset=receipts[1].offset)})

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"1", b"2"]


@pytest.mark.guarantee("LOG-5")
async def test_groups_do_not_share_a_position(open_log):
    async with open_log() as log:
        receipt = await log.writer.append(b"viewer", [b"a"])
        await log.reader.commit({receipt.partition: Commit(offset=receipt.offset + 1)})

    async with open_log(group="audit") as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a"]


@pytest.mark.guarantee("LOG-6")
@pytest.mark.parametrize("at_once", [1, 3, 100])
async def test_every_record_comes_once_and_in_order(open_log, at_once):
    async with open_log() as log:
        for n in range(20):
            await log.writer.append(KEYS[n % 4], [b"%d" % n])

        found = await log.lines(at_once=at_once)

    assert found == {
        partition: [b"%d" % n for n in range(partition, 20, 4)] for partition in range(4)
    }


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_returns_no_more_than_it_was_asked_for(open_log):
    async with open_log() as log:
        for key in KEYS * 3:
            await log.writer.append(key, [b"x"])

        found = await log.reader.poll(max_records=5, timeout_s=0)

    assert 1 <= sum(map(len, found.values())) <= 5


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_that_fails_for_one_partition_takes_nothing_from_another(open_log):
    async with open_log() as log:
        for key in KEYS:
            await log.writer.append(key, [key])
        log.reader.seek(3, 99)
        with pytest.raises(OffsetOutOfRangeError):
            await log.reader.poll(max_records=10, timeout_s=0)
        log.reader.seek(3, 0)
        found = await log.lines()

    assert found == {partition: [key] for partition, key in enumerate(KEYS)}


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_wakes_up_for_a_record_that_is_appended_later(open_log):
    async with open_log() as log:
        polled = asyncio.create_task(log.reader.poll(max_records=10, timeout_s=1_000_000))
        await log.writer.append(b"viewer", [b"a"])

        [[record]] = (await polled).values()

    assert record.value == b"a"


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_that_finds_nothing_is_empty(open_log):
    async with open_log() as log:
        assert not await log.reader.poll(max_records=10, timeout_s=0.01)
        assert log.reader.assigned() == {0, 1, 2, 3}


@pytest.mark.guarantee("LOG-7")
async def test_a_paused_partition_hands_out_nothing_and_stays_assigned(open_log):
    async with open_log() as log:
        for key in KEYS:
            await log.writer.append(key, [key])
        log.reader.pause(frozenset({1, 2}))

        found = await log.lines()
        again = await log.lines()

        assert found == {0: [KEYS[0]], 3: [KEYS[3]]}
        assert again == {}
        assert log.reader.assigned() == {0, 1, 2, 3}


@pytest.mark.guarantee("LOG-7")
async def test_a_resumed_partition_goes_on_where_it_was_paused(open_log):
    async with open_log() as log:
        await log.writer.append(KEYS[1], [b"before"])
        await log.lines()
        log.reader.pause(frozenset({1}))
        await log.writer.append(KEYS[1], [b"while"])
        assert await log.lines() == {}
        log.reader.resume(frozenset({1}))
        await log.writer.append(KEYS[1], [b"after"])

        assert await log.lines() == {1: [b"while", b"after"]}


@pytest.mark.guarantee("LOG-7")
async def test_another_partition_goes_on_while_one_is_paused(open_log):
    async with open_log() as log:
        log.reader.pause(frozenset({1}))
        await log.writer.append(KEYS[1], [b"held"])
        await log.writer.append(KEYS[0], [b"a"])
        assert await log.lines() == {0: [b"a"]}
        await log.writer.append(KEYS[0], [b"b"])

        assert await log.lines() == {0: [b"b"]}


@pytest.mark.guarantee("LOG-8")
async def test_the_next_poll_after_a_seek_starts_there(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(KEYS[2], [b"%d" % n]) for n in range(3)]
        await log.lines()

        log.reader.seek(2, receipts[1].offset)

        assert await log.lines() == {2: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_seek_before_the_first_poll_wins_over_the_commit(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(KEYS[2], [b"%d" % n]) for n in range(3)]
        await log.reader.commit({2: Commit(offset=receipts[2].offset + 1)})

    async with open_log() as log:
        log.reader.seek(2, receipts[1].offset)

        assert await log.lines() == {2: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_seek_to_the_end_waits_for_what_comes(open_log):
    async with open_log() as log:
        await log.writer.append(KEYS[2], [b"a"])
        end = (await log.admin.watermarks(log.topic))[2].high
        log.reader.seek(2, end)
        assert await log.lines() == {}
        await log.writer.append(KEYS[2], [b"b"])

        assert await log.lines() == {2: [b"b"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_position_that_is_not_in_the_log_is_an_error_until_the_next_seek(open_log):
    async with open_log() as log:
        receipt = await log.writer.append(KEYS[2], [b"a"])
        log.reader.seek(2, receipt.offset + 2)

        for _ in range(2):
            with pytest.raises(
                OffsetOutOfRangeError, match=rf"{log.topic}\[2\]: offset 2 .* 0 to 1"
            ):
                await log.reader.poll(max_records=10, timeout_s=0)
        log.reader.seek(2, receipt.offset)

        assert await log.lines() == {2: [b"a"]}


@pytest.mark.guarantee("LOG-9")
async def test_partitions_added_later_are_read_from_their_beginning_without_a_restart(open_log):
    key = next(b"%d" % n for n in range(1000) if partition_for(b"%d" % n, 8) == 6)
    async with open_log() as log:
        grown = [Topic(name=log.topic, partitions=8, retention_ms=HOUR_MS)]
        await log.lines()
        await log.admin.apply(await log.admin.plan(grown))
        # The first may still go by the old number, as with any producer's metadata.
        receipts = [await log.writer.append(key, [b"%d" % n]) for n in range(3)]

        found = await log.lines()

        assert [receipt.partition for receipt in receipts[1:]] == [6, 6]
        assert found[6][-2:] == [b"1", b"2"]
        assert log.reader.assigned() == frozenset(range(8))


# --- LogCommitter


@pytest.mark.guarantee("LOG-10")
async def test_commits_survive_a_restart(open_log):
    commits = {0: Commit(offset=3), 2: Commit(offset=0, metadata="nothing yet")}
    async with open_log() as log:
        for _ in range(3):
            await log.writer.append(KEYS[0], [b"a"])
        await log.reader.commit({0: Commit(offset=1, metadata="older")})
        await log.reader.commit(commits)

    async with open_log() as log:
        assert await log.reader.committed(frozenset({0, 1, 2, 3})) == commits
        assert await log.admin.committed_by(log.group, log.topic) == commits


@pytest.mark.guarantee("LOG-10")
async def test_a_commit_does_not_move_the_reader(open_log):
    async with open_log() as log:
        for n in range(3):
            await log.writer.append(KEYS[1], [b"%d" % n])
        await log.reader.poll(max_records=1, timeout_s=0)
        await log.reader.commit({1: Commit(offset=3)})

        assert await log.lines() == {1: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-11")
@pytest.mark.parametrize("note", ["", "é 🎬 \n\x00", "x" * 4096])
async def test_offset_and_metadata_are_read_back_together(open_log, note):
    async with open_log() as log:
        await log.reader.commit({1: Commit(offset=5, metadata="before")})
        await log.reader.commit({1: Commit(offset=7, metadata=note)})

        assert await log.reader.committed(frozenset({1})) == {1: Commit(offset=7, metadata=note)}


@pytest.mark.guarantee("LOG-11")
async def test_a_partition_without_a_commit_is_absent(open_log):
    async with open_log() as log:
        await log.reader.commit({1: Commit(offset=5)})

        assert set(await log.reader.committed(frozenset({1, 2}))) == {1}
        assert await log.reader.committed(frozenset({2})) == {}
        assert await log.admin.committed_by("nobody", log.topic) == {}
        assert await log.admin.committed_by(log.group, "nothing") == {}


# --- LogAdmin


@pytest.mark.guarantee("LOG-12")
async def test_a_plan_changes_nothing_and_its_application_leaves_nothing_to_do(open_log):
    wanted = [Topic(name="more", partitions=2, retention_ms=HOUR_MS)]
    async with open_log() as log:
        [change] = await log.admin.plan(wanted)
        assert (change.kind, change.topic) == (ChangeKind.CREATE, wanted[0])
        assert change.summary == "create topic more, 2 partitions"
        assert await log.admin.watermarks("more") == {}

        await log.admin.apply([change])

        assert await log.admin.plan(wanted) == []
        assert await log.admin.watermarks("more") == {p: Watermarks(low=0, high=0) for p in (0, 1)}

    async with open_log() as log:
        assert await log.admin.plan(wanted) == []


@pytest.mark.guarantee("LOG-12")
@pytest.mark.parametrize(
    ("partitions", "retention_ms", "kind"),
    [
        (8, 24 * HOUR_MS, ChangeKind.GROW),
        (4, 48 * HOUR_MS, ChangeKind.RETAIN),
        (8, 48 * HOUR_MS, ChangeKind.GROW),
    ],
)
async def test_a_topic_that_differs_is_changed_and_keeps_its_records(
    open_log, partitions, retention_ms, kind
):
    async with open_log() as log:
        wanted = [Topic(name=log.topic, partitions=partitions, retention_ms=retention_ms)]
        await log.writer.append(KEYS[3], [b"a"])
        changes = await log.admin.plan(wanted)
        await log.admin.apply(changes)

        assert [change.kind for change in changes] == [kind]
        assert await log.admin.plan(wanted) == []
        assert set(await log.admin.watermarks(log.topic)) == set(range(partitions))
        assert await log.lines() == {3: [b"a"]}


@pytest.mark.guarantee("LOG-12")
async def test_a_topic_never_shrinks(open_log):
    async with open_log() as log:
        with pytest.raises(ConfigError, match="UGC_LOG__PARTITIONS=4"):
            await log.admin.plan([Topic(name=log.topic, partitions=2, retention_ms=HOUR_MS)])

        assert set(await log.admin.watermarks(log.topic)) == {0, 1, 2, 3}


async def test_watermarks_are_the_ends_of_each_partition(open_log):
    async with open_log() as log:
        await log.writer.append(KEYS[1], [b"a", b"b"])
        await log.writer.append(KEYS[1], [b"c"])

        found = await log.admin.watermarks(log.topic)

        assert found == {p: Watermarks(low=0, high=2 if p == 1 else 0) for p in range(4)}
        assert await log.admin.watermarks("nothing") == {}


@pytest.mark.guarantee("LOG-13")
async def test_offsets_at_finds_the_first_record_that_is_not_older(open_log, clock):
    async with open_log() as log:
        times: list[int] = []
        for _ in range(5):
            await log.writer.append(KEYS[1], [b"a"])
            times.append(clock.wall_ms())
            await clock.sleep(1.0)

        async def at(moment):
            return (await log.admin.offsets_at(log.topic, moment))[1]

        assert [await at(moment) for moment in times] == [0, 1, 2, 3, 4]
        assert [await at(moment + 1) for moment in times] == [1, 2, 3, 4, 5]
        assert await at(0) == 0


@pytest.mark.guarantee("LOG-13")
async def test_of_records_with_the_same_time_offsets_at_finds_the_first(open_log, clock):
    async with open_log() as log:
        await log.writer.append(KEYS[1], [b"old"])
        await clock.sleep(1.0)
        for _ in range(4):
            await log.writer.append(KEYS[1], [b"a"])

        assert (await log.admin.offsets_at(log.topic, clock.wall_ms()))[1] == 1


@pytest.mark.guarantee("LOG-13")
async def test_where_every_record_is_older_offsets_at_gives_the_high_mark(open_log, clock):
    async with open_log() as log:
        await log.writer.append(KEYS[1], [b"a"])

        found = await log.admin.offsets_at(log.topic, clock.wall_ms() + 1)

        assert found == {0: 0, 1: 1, 2: 0, 3: 0}
        assert await log.admin.offsets_at("nothing", 0) == {}


@pytest.mark.guarantee("LOG-14")
async def test_records_that_nobody_committed_never_go(open_embedded_log, clock):
    async with open_embedded_log(retention_hours=1) as log:
        await log.writer.append(KEYS[1], [b"a"])
        await clock.sleep(1000 * HOUR_S)
        await log.writer.append(KEYS[1], [b"b"])  # a log may look after its retention now

        assert await log.lines() == {1: [b"a", b"b"]}


@pytest.mark.guarantee("LOG-14")
async def test_committed_records_can_be_read_again_until_their_retention_is_over(
    open_embedded_log, clock
):
    async with open_embedded_log(retention_hours=2) as log:
        await log.writer.append(KEYS[1], [b"a"])
        await clock.sleep(100 * HOUR_S)  # counted from the commit, not from the append
        await log.reader.commit({1: Commit(offset=1)})
        await clock.sleep(2 * HOUR_S - 1)
        await log.writer.append(KEYS[1], [b"b"])
        log.reader.seek(1, 0)

        assert await log.lines() == {1: [b"a", b"b"]}
