"""What every log adapter's committer promises (ugc_core/log.py), proved for each of them."""

import pytest

from tests.contract.partition_keys import KEYS
from ugc_core.log import Commit


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
