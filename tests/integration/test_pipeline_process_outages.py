"""The pipeline as a process whose warehouse goes and comes back."""

import pytest

from tests.integration.conftest import make_tables
from tests.integration.pipeline_system import System, reached, said
from tests.integration.processes import ChdbServer
from ugc_core import exits
from ugc_core.bootstrap import open_log_admin
from ugc_core.settings import WarehouseSection
from ugc_etl.intents import intent_of


@pytest.mark.parametrize(
    ("go", "come_back"),
    [
        (ChdbServer.stop, ChdbServer.start),
        (ChdbServer.kill, ChdbServer.start),
        (ChdbServer.pause, ChdbServer.resume),
    ],
    ids=["stopped", "killed", "hung"],
)
async def test_a_warehouse_that_goes_and_comes_back_loses_nothing_and_ends_nothing(
    tmp_path, own_server, go, come_back
):
    warehouse = WarehouseSection(url=f"clickhouse://127.0.0.1:{own_server.port}/movies")
    system = System(
        folder=tmp_path, warehouse=warehouse, settings={"UGC_WAREHOUSE__INSERT_TIMEOUT_S": "0.5"}
    )
    await make_tables(warehouse)
    await system.make_topics()
    await system.append(60, bad=1)
    system.etl.start()
    try:
        await system.until(lambda: reached(system, 20))
        go(own_server)
        await system.append(60, bad=1)
        await system.until(lambda: said(system, "trying_again"))
        assert not await system.caught_up()

        come_back(own_server)
        await system.until(system.caught_up)
        assert system.etl.alive
    finally:
        code = system.etl.stop()

    assert code == exits.OK
    await system.check()


async def test_told_to_stop_while_the_warehouse_hangs_it_ends_and_leaves_the_rest(
    tmp_path, own_server
):
    warehouse = WarehouseSection(url=f"clickhouse://127.0.0.1:{own_server.port}/movies")
    system = System(folder=tmp_path, warehouse=warehouse, settings={"UGC_ETL__DRAIN_S": "0.3"})
    await make_tables(warehouse)
    await system.make_topics()
    system.etl.start()
    try:
        await system.append(60)
        await system.until(system.caught_up)
        own_server.pause()
        await system.append(60)
        await system.until(lambda: announced(system))

        assert system.etl.stop() == exits.OK
        assert await system.progress() == 60

        own_server.resume()
        system.etl.start()
        await system.until(system.caught_up)
    finally:
        system.etl.stop()

    await system.check()


async def announced(system: System) -> bool:
    """Say whether a batch of every partition is on its way."""
    async with open_log_admin(system.log) as admin:
        commits = await admin.committed_by(system.log.group, system.log.topic)
    return all(intent_of(commits[partition]) for partition in range(system.log.partitions))
