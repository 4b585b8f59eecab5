"""What every log promises to whoever looks after it (ugc_core/log_operator.py)."""

import pytest

from ugc_core.errors import InUseError
from ugc_core.log import Commit
from ugc_core.log_operator import Copies
from ugc_core.partitioner import partition_for

KEY = next(b"user-%d" % n for n in range(1000) if partition_for(b"user-%d" % n, 4) == 2)


@pytest.mark.guarantee("LOG-18")
async def test_the_reader_of_a_group_is_named_with_its_partitions(open_log):
    async with open_log() as log:
        [member] = await log.operator.members(log.group, log.topic)
        again = await log.operator.members(log.group, log.topic)

        assert member.partitions == (0, 1, 2, 3)
        assert member.client
        assert member.host
        assert again == [member]
        assert log.reader.assigned() <= {0, 1, 2, 3}


@pytest.mark.guarantee("LOG-18")
async def test_a_group_without_a_reader_has_no_members(open_log):
    async with open_log() as log:
        await log.operator.move("audit", log.topic, {2: 0})

        assert await log.operator.members("audit", log.topic) == []
        assert await log.operator.members("unheard-of", log.topic) == []


@pytest.mark.guarantee("LOG-18")
async def test_a_reader_that_has_gone_is_no_member(open_log):
    async with open_log() as log:
        former = log.group
    async with open_log(group="audit") as log:
        assert await log.operator.members(former, log.topic) == []


@pytest.mark.guarantee("LOG-19")
async def test_a_group_is_moved_and_its_note_goes(open_log):
    async with open_log() as log:
        for n in range(4):
            await log.writer.append(KEY, [b"%d" % n])
        await log.reader.commit({1: Commit(offset=0, metadata="stays"), 2: Commit(offset=4)})
        await log.reader.commit({2: Commit(offset=4, metadata="intent=4-9")})
        former = log.group

    async with open_log(group="audit") as log:
        await log.operator.move(former, log.topic, {2: 1})
        moved = await log.admin.committed_by(former, log.topic)
    async with open_log() as log:
        found = await log.lines()

    assert moved == {1: Commit(offset=0, metadata="stays"), 2: Commit(offset=1)}
    assert found == {2: [b"1", b"2", b"3"]}


@pytest.mark.guarantee("LOG-19")
async def test_a_group_that_never_read_can_be_given_a_position(open_log):
    async with open_log() as log:
        await log.writer.append(KEY, [b"0"])
        await log.writer.append(KEY, [b"1"])
        await log.operator.move("later", log.topic, {2: 1})

    async with open_log(group="later") as log:
        assert await log.lines() == {2: [b"1"]}


@pytest.mark.guarantee("LOG-19")
async def test_a_group_that_is_read_is_not_moved_and_the_reader_is_named(open_log):
    async with open_log() as log:
        await log.writer.append(KEY, [b"0"])
        await log.reader.commit({2: Commit(offset=1, metadata="note")})
        [member] = await log.operator.members(log.group, log.topic)

        with pytest.raises(InUseError, match=r"partitions 0, 1, 2, 3.*Stop every `ugc etl`") as no:
            await log.operator.move(log.group, log.topic, {0: 0, 2: 0})

        assert member.client in str(no.value)
        assert member.host in str(no.value)
        kept = await log.admin.committed_by(log.group, log.topic)
        assert kept == {2: Commit(offset=1, metadata="note")}


@pytest.mark.guarantee("LOG-20")
async def test_every_partition_has_its_copies(open_log):
    async with open_log() as log:
        assert await log.operator.copies(log.topic) == dict.fromkeys(range(4), Copies())
        assert await log.operator.copies("nothing") == {}


async def test_what_keeps_the_log_says_what_it_is(open_log):
    async with open_log() as log:
        found = await log.operator.server()

    assert found.name in str(found)
    assert found.version or found.apis["produce"].spoken <= found.apis["produce"].highest
