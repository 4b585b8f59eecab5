"""The statements of a rebuild: the tables and views of the migrations, under other names."""

import re
from collections.abc import Mapping

from msgspec import Struct

from ugc_core.binding import bind
from ugc_core.migrations import local_suffix, migrations, on_cluster, render
from ugc_core.urls import WarehouseTarget

DERIVED_TABLES = ("playback", "resume_points")
_MARK = "__new_"
LEFTOVER = re.compile(rf"(?:{'|'.join(DERIVED_TABLES)}){_MARK}\w+")
"""Names of tables and views that only a rebuild makes, and takes away at its end."""

SHARE = "cityHash64(film_id) % {of:UInt32} = {share:UInt32}"
RECENT = "stored_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
OF_USER = "user_id = {user:UUID}"


class Building(Struct, frozen=True, kw_only=True):
    """One derived table that is built anew beside the one in use.

    Attributes:
        table: The table in use.
        run: Names this rebuild, since a replicated table's path in Keeper outlives its name.
        target: The warehouse.
    """

    table: str
    run: str
    target: WarehouseTarget

    @property
    def name(self) -> str:
        """The new table on a node, and after the exchange the old one."""
        return f"{self._fresh}{local_suffix(self.target)}"

    @property
    def view(self) -> str:
        """The view that feeds it."""
        return f"{self._fresh}_mv{local_suffix(self.target)}"

    @property
    def in_use(self) -> str:
        """The table on a node that everybody reads."""
        return f"{self.table}{local_suffix(self.target)}"

    @property
    def create(self) -> tuple[str, ...]:
        """The table, and then its view: one without a target would fail every insert.

        The columns are those of the table in use, so that a later migration's are among them.
        """
        database, suffix = self.target.database, local_suffix(self.target)
        head = f"CREATE TABLE IF NOT EXISTS {database}.{self.in_use}"
        engine = self._migration(head).split("\nENGINE", 1)[1]
        table = (
            f"CREATE TABLE {database}.{self.name}{self._on_cluster}"
            f" AS {database}.{self.in_use}\nENGINE{engine}"
        )
        view = self._migration(self._view_head).replace("IF NOT EXISTS ", "", 1)
        view = view.replace(f" {database}.{self.table}_mv{suffix}", f" {database}.{self.view}", 1)
        view = view.replace(f"TO {database}.{self.in_use} ", f"TO {database}.{self.name} ", 1)
        return table, view

    @property
    def exchange(self) -> str:
        """Both tables change their names at once, on each node."""
        database = self.target.database
        return (
            f"EXCHANGE TABLES {database}.{self.in_use} AND {database}.{self.name}{self._on_cluster}"
        )

    @property
    def drop_view(self) -> str:
        """Stop feeding whatever has the new table's name."""
        return f"DROP TABLE IF EXISTS {self.target.database}.{self.view}{self._on_cluster} SYNC"

    @property
    def drop_table(self) -> str:
        """Let go of it, once its view is gone."""
        return f"DROP TABLE IF EXISTS {self.target.database}.{self.name}{self._on_cluster} SYNC"

    @property
    def synchronise(self) -> str | None:
        """Wait until every replica has what one of them was given; None without replicas."""
        if self.target.cluster is None:
            return None
        return f"SYSTEM SYNC REPLICA{self._on_cluster} {self.target.database}.{self.name}"

    def fill(self, where: str, parameters: Mapping[str, object], *, final: bool, into: str) -> str:
        """Insert what the view says of a part of the reports that a node holds.

        Args:
            where: Which reports.
            parameters: Its values.
            final: Whether of two copies only the first accepted one counts.
            into: The table.
        """
        database = self.target.database
        raw = f"{database}.views_raw{local_suffix(self.target)}"
        kept = f"{raw} FINAL" if final else raw
        select = self._migration(self._view_head).split(" AS\n", 1)[1]
        part = f"FROM (SELECT * FROM {kept} WHERE {where})"  # noqa: S608 - checked identifiers
        select = re.sub(rf"\bFROM {raw}\b", lambda _: part, select)
        return bind(f"INSERT INTO {database}.{into} {select}", parameters)

    def delete(self, user: object, *, of: str) -> str:
        """Take a user out of a node's table."""
        sql = f"ALTER TABLE {self.target.database}.{of} DELETE WHERE {OF_USER}"
        return bind(sql, {"user": user})

    @property
    def _fresh(self) -> str:
        return f"{self.table}{_MARK}{self.run}"

    @property
    def _view_head(self) -> str:
        suffix = local_suffix(self.target)
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.target.database}.{self.table}_mv{suffix}"
        )

    @property
    def _on_cluster(self) -> str:
        return on_cluster(self.target)

    def _migration(self, head: str) -> str:
        """Return the last statement of the migrations that begins so.

        Raises:
            LookupError: No migration has such a statement.
        """
        for migration in reversed(migrations()):
            for statement in render(migration.text, self.target):
                if re.match(rf"{re.escape(head)}\b", statement):
                    return statement
        raise LookupError(head)
