"""Memory is given back once the log has been back for a while, and then not again."""

from ugc_api.operating.relief import Relief
from ugc_core.clock import ManualClock
from ugc_core.errors import LogUnavailableError


async def test_once_the_log_has_been_back_for_a_while_memory_is_given_back_once():
    clock, given = ManualClock(), []
    relief = Relief(clock, lambda: given.append(clock.now()))

    relief.worked()
    relief.failed()
    relief.worked()
    await clock.sleep(9.9)
    relief.failed()
    relief.worked()
    await clock.sleep(9.9)
    relief.worked()
    assert not given

    await clock.sleep(0.2)
    relief.worked()
    await clock.sleep(3600)
    relief.worked()
    assert len(given) == 1


async def test_a_service_whose_log_was_away_comes_to_it_by_itself(api):
    given: list[int] = []
    api.services.health._relief = Relief(api.clock, lambda: given.append(1))
    api.services.health.appended(LogUnavailableError("down"))

    await api.report({"progress": 1, "total": 2})
    await api.clock.sleep(11)
    await api.report({"progress": 1, "total": 2})

    assert given == [1]
