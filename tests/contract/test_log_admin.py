"""What every log adapter's admin promises (ugc_core/log.py), proved for each of them."""

import pytest

from tests.contract.partition_keys import KEYS
from ugc_core.errors import ConfigError
from ugc_core.log import ChangeKind, Commit, Topic, Watermarks

HOUR_S = 3600.0
HOUR_MS = 3_600_000


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
