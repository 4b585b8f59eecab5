"""Who reads the SQLite log, and a group's position while nobody does."""

import socket
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import apsw

from ugc_core.adapters.sqlite_log_admin import ends_of
from ugc_core.adapters.sqlite_log_reader import group_lock, write_commits
from ugc_core.adapters.sqlite_role import SqliteRole
from ugc_core.clock import SystemClock
from ugc_core.errors import InUseError
from ugc_core.files import lock, owner
from ugc_core.log import Commit
from ugc_core.log_operator import Copies, LogOperator, Member, Server
from ugc_core.log_rules import group_in_use


class SqliteLogOperator(SqliteRole):
    """Looks after one file and its groups."""

    async def members(self, group: str, topic: str) -> Sequence[Member]:
        """Return the process that holds the group's lock: it reads every partition."""
        pid = owner(group_lock(self._file.path, group))
        if pid is None:
            return []
        partitions = tuple(sorted(await self._file.run(partial(ends_of, topic))))
        name, host = f"pid {pid}", socket.gethostname()
        return [Member(client=name, host=host, name=name, partitions=partitions)]

    async def move(self, group: str, topic: str, positions: Mapping[int, int]) -> None:
        """Set positions while holding the lock that a reader would have."""
        commits = {partition: Commit(offset=offset) for partition, offset in positions.items()}
        write = partial(write_commits, group, topic, commits, SystemClock().wall_ms())
        path = group_lock(self._file.path, group)
        try:
            with lock(path, what=f"consumer group {group}", then="wait"):
                await self._file.run(write)
        except InUseError as error:
            raise group_in_use(group, await self.members(group, topic)) from error

    async def server(self) -> Server:
        """Return the version of the library: there is no server."""
        return Server(name="sqlite", version=apsw.sqlite_lib_version())

    async def copies(self, topic: str) -> Mapping[int, Copies]:
        """Return that there is one file."""
        return dict.fromkeys(await self._file.run(partial(ends_of, topic)), Copies())


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _operator: type[LogOperator] = SqliteLogOperator
