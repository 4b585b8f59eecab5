"""Settings that came with a query: for that query only.

A session of the engine has one set of settings, so a query's own are put into it before
the query and taken out before the next one that does not bring the same. To take one out
is to restore what the session itself had: the value of an earlier `SET`, or the default.
"""

import json
import re
from collections.abc import Mapping

from chdb_server.engine import EngineConnection
from chdb_server.errors import NOT_IMPLEMENTED, DatabaseError
from chdb_server.tokens import quoted_text

SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
UNKNOWN_SETTING = 115

CANNOT_BE_UNDONE = {"readonly": "0", "allow_ddl": "1"}
"""With another value than this one, a session's settings cannot be changed back."""

DEFAULT = "DEFAULT"
CHANGED = "SELECT name, value FROM system.settings WHERE changed"


class QuerySettings:
    """Keeps the engine's session and the client's wishes in step."""

    def __init__(self, connection: EngineConnection, reserved: frozenset[str]) -> None:
        """Nothing is applied yet; `reserved` names are never touched."""
        self._connection = connection
        self._reserved = reserved
        self._applied: dict[str, str] = {}
        self._own: dict[str, str] | None = None

    async def apply(self, wanted: Mapping[str, str]) -> None:
        """Make exactly these hold, over the session's own.

        Raises:
            DatabaseError: A name or a value is wrong; the next call puts things right.
        """
        _check(wanted)
        left_alone = self._reserved.union(CANNOT_BE_UNDONE)
        new = {name: quoted_text(wanted[name]) for name in wanted if name not in left_alone}
        if new == self._applied:
            return
        own = await self._session_values()
        gone = {name: own.get(name, DEFAULT) for name in self._applied if name not in new}
        self._applied |= new  # if the engine refuses half-way, all of them are to be restored
        await self._set({**gone, **new})
        self._applied = new

    async def session_changes(self) -> None:
        """Call before a statement that changes the session's own settings."""
        await self.apply({})
        self._own = None

    async def _session_values(self) -> Mapping[str, str]:
        """What the session itself has set; asked while nothing of a query's is applied."""
        if self._own is None:
            lines = (await self._connection.query(CHANGED, "JSONCompactEachRow")).splitlines()
            rows = [json.loads(line) for line in lines]
            self._own = {name: quoted_text(value) for name, value in rows}
        return self._own

    async def _set(self, values: Mapping[str, str]) -> None:
        pairs = ", ".join(f"{name} = {value}" for name, value in values.items())
        await self._connection.query(f"SET {pairs}")


def _check(wanted: Mapping[str, str]) -> None:
    """Names go into SQL unquoted, so nothing but a name may be in them."""
    for name, value in wanted.items():
        if not SETTING_NAME.fullmatch(name):
            msg = "a setting's name must be made of letters, digits and underscores"
            raise DatabaseError(msg, code=UNKNOWN_SETTING)
        if value != CANNOT_BE_UNDONE.get(name, value):
            msg = f"{name} cannot be set for one query here; use SET, for the whole session"
            raise DatabaseError(msg, code=NOT_IMPLEMENTED)
