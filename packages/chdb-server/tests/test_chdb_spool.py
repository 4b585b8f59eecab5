# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

from io import FileIO
from pathlib import Path

import pytest

from chdb_server.errors import DatabaseError
from chdb_server.spool import Room, SharedRoom, Spool, Spools

MIB = 1 << 20
BOTH = pytest.mark.parametrize("in_memory", [True, False])


@BOTH
def test_what_is_written_can_be_read_under_its_path(tmp_path, in_memory):
    with Spools(tmp_path / "s", limit=MIB, in_memory=in_memory).open() as spool:
        spool.write(b"ab")
        spool.write(b"c")
        spool.check()

        assert Path(spool.path).read_bytes() == b"abc"


@BOTH
def test_nothing_is_left(tmp_path, in_memory):
    with Spools(tmp_path / "s", limit=MIB, in_memory=in_memory).open() as spool:
        spool.write(b"abc")

    assert list(tmp_path.rglob("insert-*")) == []


@BOTH
def test_rows_past_the_bound_are_dropped_and_reported(tmp_path, in_memory):
    with Spools(tmp_path / "s", limit=10, in_memory=in_memory).open() as spool:
        for _ in range(11):
            spool.write(b"x")

        with pytest.raises(DatabaseError, match="max-insert-mib") as caught:
            spool.check()

        assert caught.value.code == 241
        assert len(Path(spool.path).read_bytes()) <= 10


def test_a_full_disk_is_an_error_for_the_client():
    room = Room(limit=MIB, shared=SharedRoom(limit=MIB))
    with FileIO("/dev/full", "wb") as full:
        spool = Spool(full, "/dev/full", room=room)
        spool.write(b"x")
        spool.write(b"y")

        with pytest.raises(DatabaseError, match="No space left"):
            spool.check()


def test_all_inserts_together_have_a_bound_and_give_their_room_back(tmp_path):
    spools = Spools(tmp_path, limit=10)
    with spools.open() as a, spools.open() as b, spools.open() as c, spools.open() as d:
        for spool in (a, b, c, d):
            spool.write(bytes(10))
            spool.check()
        with spools.open() as fifth:
            fifth.write(b"x")
            with pytest.raises(DatabaseError, match="try again"):
                fifth.check()

    with spools.open() as later:
        later.write(bytes(10))
        later.check()


def test_what_a_crash_left_is_removed_at_the_start(tmp_path):
    left = tmp_path / "insert-old"
    left.write_bytes(b"x")

    Spools(tmp_path, limit=10)

    assert not left.exists()


def test_a_directory_that_cannot_be_made_is_an_error_for_the_client(tmp_path):
    (tmp_path / "file").touch()
    spools = Spools(tmp_path / "file" / "s", limit=10, in_memory=False)

    with pytest.raises(DatabaseError, match="cannot buffer"), spools.open():
        pass
