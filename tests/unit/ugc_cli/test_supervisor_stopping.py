"""A stop ends every child, whatever the children do just then."""

from tests.unit.ugc_cli.supervised_programs import begin, is_gone, pid, until


async def test_children_are_stopped_in_reverse_order(programs):
    async with programs.supervised() as supervisor:
        for name in ("one", "two", "three"):
            child = programs.child("steady", name=name)
            await begin(supervisor, child)

        await supervisor.stop()

        assert programs.stopped() == ["three", "two", "one"]
        assert programs.said == []


async def test_a_child_that_does_not_stop_is_killed_when_its_time_is_over(programs):
    async with programs.supervised() as supervisor:
        first = programs.child("steady", name="first")
        child = programs.child("stubborn", stop_s=0.2)
        for each in (first, child):
            await begin(supervisor, each)

        await supervisor.stop()

        assert await child.wait() == -9
        assert programs.stopped() == ["first"]


async def test_a_stop_while_a_child_is_being_started_again_leaves_nothing_running(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await begin(supervisor, child)
        child.kill()
        await until(lambda: bool(programs.said))

        await supervisor.stop()

        assert is_gone(pid(child))


async def test_stopping_twice_does_no_harm(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await begin(supervisor, child)
        await supervisor.stop()

        await supervisor.stop()

    assert programs.stopped() == ["steady"]
