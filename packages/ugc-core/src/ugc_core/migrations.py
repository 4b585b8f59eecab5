"""The warehouse's tables: numbered SQL files, one rendering for each of the two modes.

A file holds statements that end in `;` at the end of a line; what follows the line
`-- cluster only`, up to the line `-- everywhere`, is for clusters. Every statement may be
repeated, so an interrupted migration is finished by running it again.

Tables change while reports come in, so the order within a file matters: the nodes' own tables
first, then the Distributed ones, then the views over them. Then nothing ever names a column
that is not there yet, and a writer that does not know a new column goes on with its own.
"""

import hashlib
import re
from functools import cache
from importlib import resources
from string import Template
from typing import NamedTuple

from ugc_core.urls import WarehouseTarget

_CLUSTER_ONLY = re.compile(
    r"^-- cluster only\n(.*?)(?:^-- everywhere\n|\Z)", re.MULTILINE | re.DOTALL
)
_FILE_NAME = re.compile(r"^(\d{4})_(\w+)\.sql$")

# A repeated token is hidden for 10,000 blocks or a day; plain tables have no window at all
# by default. Parts are synced: an acknowledged insert survives a power cut.
_EMBEDDED_SETTINGS = (
    "non_replicated_deduplication_window = 10000, fsync_after_insert = 1,"
    " fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"
)
_CLUSTER_SETTINGS = (
    "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 86400"
)
_REPLICA_PATH = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"


class Migration(NamedTuple):
    """One numbered file.

    Attributes:
        number: Its place in the order.
        name: What it is for.
        text: SQL with placeholders.
    """

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal: a file that was applied must not change."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration in order."""
    files = [
        (_FILE_NAME.match(file.name), file) for file in resources.files("ugc_core.ddl").iterdir()
    ]
    return tuple(
        sorted(
            Migration(int(match[1]), match[2], file.read_text("utf-8"))
            for match, file in files
            if match
        )
    )


def render(text: str, target: WarehouseTarget, *, views_ttl_days: int = 0) -> list[str]:
    """Return the statements of a migration for one warehouse.

    Args:
        text: The migration's text.
        target: Decides the database's name and whether tables are replicated.
        views_ttl_days: How long raw reports stay; 0 is for ever.
    """
    sql = _CLUSTER_ONLY.sub(r"\1" if target.cluster else "", text)
    filled = Template(sql).substitute(_values(target, views_ttl_days))
    parts = (_without_comments(part) for part in filled.split(";\n"))
    return [part for part in parts if part]


def local_suffix(target: WarehouseTarget) -> str:
    """Return what the name of a table has that holds one node's share of the rows."""
    return "_local" if target.cluster else ""


def on_cluster(target: WarehouseTarget) -> str:
    """Return what a statement says to run on every node, with a space before it."""
    return f" ON CLUSTER {target.cluster}" if target.cluster else ""


def _values(target: WarehouseTarget, views_ttl_days: int) -> dict[str, str]:
    cluster = target.cluster
    ttl = f"TTL toDateTime(event_time) + INTERVAL {views_ttl_days} DAY" if views_ttl_days else ""
    return {
        "database": target.database,
        "cluster": cluster or "",
        "local": local_suffix(target),
        "on_cluster": on_cluster(target),
        "Replicated": "Replicated" if cluster else "",
        "path": f"{_REPLICA_PATH}, " if cluster else "",
        "path_only": f"({_REPLICA_PATH})" if cluster else "",
        "durability": _CLUSTER_SETTINGS if cluster else _EMBEDDED_SETTINGS,
        "ttl": ttl,
    }


def _without_comments(statement: str) -> str:
    lines = (line.rstrip() for line in statement.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))
