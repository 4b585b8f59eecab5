"""The statements that compare a derived table with the reports, inside the warehouse.

The recomputation is the text of the materialized views themselves, read from the migrations,
over `views_raw FINAL`; so what is compared is what the views are meant to say.
"""

import re
from functools import cache

from ugc_core.migrations import migrations, render
from ugc_core.urls import WarehouseTarget

_SHARE = "cityHash64(film_id) % {of:UInt32} = {share:UInt32}"

_PLAYBACK = """
    SELECT film_id, user_id, profile_id, toString(day) AS part, lacks, differs
    FROM
    (
        SELECT film_id, day, user_id, profile_id, session_id,
            groupBitmapMergeStateIf(seconds, due) AS due_seconds,
            groupBitmapMergeStateIf(seconds, NOT due) AS kept_seconds,
            bitmapAndnotCardinality(due_seconds, kept_seconds) > 0
                OR countIf(NOT due) = 0
                OR minIf(first_time, NOT due) > minIf(first_time, due) AND countIf(due) > 0
                OR maxIf(last_time, NOT due) < maxIf(last_time, due)
                OR maxIf(total_ms, NOT due) < maxIf(total_ms, due) AS lacks,
            lacks OR countIf(due) = 0
                OR bitmapAndnotCardinality(kept_seconds, due_seconds) > 0
                OR minIf(first_time, NOT due) != minIf(first_time, due)
                OR maxIf(last_time, NOT due) != maxIf(last_time, due)
                OR maxIf(total_ms, NOT due) != maxIf(total_ms, due)
                OR argMaxMergeIf(device, NOT due) != argMaxMergeIf(device, due) AS differs
        FROM
        (
            SELECT film_id, day, user_id, profile_id, session_id, seconds,
                CAST(first_time, 'DateTime64(3, \\'UTC\\')') AS first_time,
                CAST(last_time, 'DateTime64(3, \\'UTC\\')') AS last_time,
                CAST(total_ms, 'UInt32') AS total_ms, device, false AS due
            FROM playback WHERE __SHARE__
            UNION ALL
            SELECT film_id, day, user_id, profile_id, session_id, seconds,
                first_time, last_time, total_ms, device, true AS due
            FROM (__RECOMPUTED__)
        )
        GROUP BY film_id, day, user_id, profile_id, session_id
    )
    WHERE differs ORDER BY film_id, user_id, profile_id, part LIMIT {most:UInt32}
"""
_RESUME = """
    SELECT film_id, user_id, profile_id, '' AS part,
        countIf(NOT due) = 0
            OR tupleElement(kept, 3) < tupleElement(wanted, 3) AND countIf(due) > 0 AS lacks,
        lacks OR countIf(due) = 0 OR kept != wanted AS differs,
        argMaxMergeIf(point, NOT due) AS kept,
        argMaxMergeIf(point, due) AS wanted
    FROM
    (
        SELECT film_id, user_id, profile_id, point, false AS due
        FROM resume_points WHERE __SHARE__
        UNION ALL
        SELECT film_id, user_id, profile_id, point, true AS due FROM (__RECOMPUTED__)
    )
    GROUP BY film_id, user_id, profile_id
    HAVING differs ORDER BY film_id, user_id, profile_id LIMIT {most:UInt32}
"""
_TABLES = {"playback": _PLAYBACK, "resume_points": _RESUME}
DERIVED_TABLES = tuple(_TABLES)


def comparison(table: str, database: str) -> str:
    """Return the statement that finds viewers for whom a table differs from the reports.

    Its parameters: `share` of `of` equal shares of the films, and the `most` rows to return.
    """
    sql = _TABLES[table].replace("__SHARE__", _SHARE)
    return sql.replace("__RECOMPUTED__", recomputed(table, database))


@cache
def recomputed(table: str, database: str) -> str:
    """Return the view that fills a table, over the reports as they are now.

    Raises:
        LookupError: No migration makes such a view.
    """
    target = WarehouseTarget(host="", port=0, database=database, cluster=None)
    made = re.compile(
        rf"CREATE MATERIALIZED VIEW IF NOT EXISTS \w+\.{table}_mv\s+TO \w+\.{table} AS\s(.*)",
        re.DOTALL,
    )
    source = re.compile(rf"\bFROM {re.escape(database)}\.views_raw\b")
    shared = f"FROM (SELECT * FROM {database}.views_raw FINAL WHERE {_SHARE})"  # noqa: S608 - a checked identifier
    for migration in reversed(migrations()):
        for statement in render(migration.text, target):
            if found := made.match(statement):
                return source.sub(shared, found[1])
    raise LookupError(table)
