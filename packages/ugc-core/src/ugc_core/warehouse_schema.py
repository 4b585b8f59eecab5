"""Which migrations a warehouse still needs, and their application."""

from collections.abc import Sequence

from ugc_core.errors import SchemaMismatchError
from ugc_core.migrations import Migration, migrations, render
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Column, Warehouse

_TABLES = "SELECT name, engine FROM system.tables WHERE database = {database:String}"


async def pending(warehouse: Warehouse, target: WarehouseTarget) -> Sequence[Migration]:
    """Return the migrations that are not applied yet, in order; changes nothing.

    Raises:
        SchemaMismatchError: The database holds something else than what we made.
        WarehouseUnavailableError: The warehouse did not answer.
    """
    tables = await _tables(warehouse, target)
    _refuse_replaced_system(tables, target)
    if "schema_migrations" not in tables:
        return migrations()
    applied = await _applied(warehouse, target)
    for migration in migrations():
        found = applied.get(migration.number)
        if found not in {None, migration.checksum}:
            msg = (
                f"migration {migration.number:04d}_{migration.name} of database"
                f" {target.database} was applied in another form; the tables are of another"
                " version of this program: use that one, or another database"
            )
            raise SchemaMismatchError(msg)
    return [migration for migration in migrations() if migration.number not in applied]


async def apply(
    warehouse: Warehouse,
    target: WarehouseTarget,
    todo: Sequence[Migration],
    *,
    views_ttl_days: int,
) -> None:
    """Run migrations and note each one.

    Raises:
        QueryRefusedError: The server refused a statement.
        WarehouseUnavailableError: The warehouse did not answer; run it again.
    """
    for migration in todo:
        for statement in render(migration.text, target, views_ttl_days=views_ttl_days):
            await warehouse.execute(statement)
        columns: dict[str, Column] = {
            "number": [migration.number],
            "name": [migration.name],
            "checksum": [migration.checksum],
        }
        await warehouse.insert(
            "schema_migrations", columns, settings={"insert_distributed_sync": 1}
        )


async def require(warehouse: Warehouse, target: WarehouseTarget) -> None:
    """Make sure that the tables are the ones that this version writes.

    Raises:
        SchemaMismatchError: They are not there, or not complete.
        WarehouseUnavailableError: The warehouse did not answer.
    """
    if todo := await pending(warehouse, target):
        names = ", ".join(f"{migration.number:04d}_{migration.name}" for migration in todo)
        msg = f"database {target.database} lacks {names}; run `ugc init`"
        raise SchemaMismatchError(msg)


async def _tables(warehouse: Warehouse, target: WarehouseTarget) -> dict[str, str]:
    found = await warehouse.read(_TABLES, {"database": target.database})
    return {str(name): str(engine) for name, engine in found.rows}


async def _applied(warehouse: Warehouse, target: WarehouseTarget) -> dict[int, str]:
    sql = f"SELECT number, checksum FROM {target.database}.schema_migrations FINAL"  # noqa: S608 - a checked identifier
    found = await warehouse.read(sql)
    return {int(str(number)): str(checksum) for number, checksum in found.rows}


def _refuse_replaced_system(tables: dict[str, str], target: WarehouseTarget) -> None:
    """Never touch a table `views` that is not our view."""
    if tables.get("views", "View") != "View":
        msg = (
            f"{target.database}.views is a table ({tables['views']}), not our view: it belongs"
            " to another system and is left alone; set another database in UGC_WAREHOUSE__URL"
        )
        raise SchemaMismatchError(msg)
