"""`ugc offsets` on an embedded system that runs; without one: tests/integration/test_offsets.py."""

from tests.e2e.systems import Up, ugc


def test_who_reads_in_a_running_system_is_named_and_in_the_way(up: Up):
    where = ("--data", str(up.data))
    shown = ugc("offsets", "show", *where, cwd=up.data.parent)
    moved = ugc("offsets", "reset", "--to", "earliest", "--yes", *where, cwd=up.data.parent)

    pid = up.children()["ugc_etl"].pid
    assert shown.code == 0, shown
    assert shown.out.splitlines()[0] == "partition\toldest\tcommitted\tend\tlag\tledger\tnote"
    assert f"group ugc-etl is read by pid {pid}" in shown.err
    assert moved.code == 5
    assert f"read by pid {pid}" in moved.err
    assert "`ugc up`, first" in moved.err
