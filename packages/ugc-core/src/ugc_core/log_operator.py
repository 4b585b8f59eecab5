"""The port for whoever looks after a running log: who reads it, what keeps it, from where on.

It stands beside those of `ugc_core.log`, which the programs work with.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Member(Struct, frozen=True, kw_only=True):
    """A process that reads for a consumer group.

    Attributes:
        client: What it calls itself.
        host: Where it runs.
        name: What the log calls it; no other member has that name.
        partitions: Those of the topic that it holds; none while the group shares out.
        lease_s: How long it keeps them after it has fallen silent, in seconds, as our own
            settings have it; None: until it ends.
    """

    client: str
    host: str
    name: str
    partitions: tuple[int, ...] = ()
    lease_s: float | None = None

    def __str__(self) -> str:
        held = ", ".join(map(str, self.partitions)) or "none just now"
        return f"{self.client} on {self.host} (partitions {held})"


class Api(Struct, frozen=True, kw_only=True):
    """A kind of request that a server understands.

    Attributes:
        spoken: The version of it that we use with every server.
        lowest: The lowest that all servers understand.
        highest: The highest that all servers understand.
    """

    spoken: int
    lowest: int
    highest: int


class Server(Struct, frozen=True, kw_only=True):
    """What keeps the log.

    Attributes:
        name: What it is.
        version: Its version; None if it does not tell.
        nodes: How many processes keep the log.
        silent: Those of them that do not answer just now, and why not.
        apis: Kinds of requests, where a server tells these in place of its version.
    """

    name: str
    version: str | None = None
    nodes: int = 1
    silent: Mapping[str, str] = {}
    apis: Mapping[str, Api] = {}

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.name} {self.version}"
        told = [f"{name} {api.spoken} of {api.highest}" for name, api in self.apis.items()]
        return f"{self.name} (tells no version; APIs: {', '.join(told) or 'none'})"


class Copies(Struct, frozen=True, kw_only=True):
    """How often a partition is there.

    Attributes:
        wanted: Copies that there should be.
        in_sync: Those of them that have every record.
        needed: How many must have a record before it is acknowledged.
    """

    wanted: int = 1
    in_sync: int = 1
    needed: int = 1


class LogOperator(Protocol):
    """Looks at a log at work, and moves a group that is not.

    LOG-18: `members` names every reader of a group with the partitions that it holds, and
        does not become one.
    LOG-19: `move` sets positions, all of them or none and without a note, while nobody reads
        for the group; while somebody does, it fails and sets nothing.
    LOG-20: `copies` knows every partition of a topic.
    """

    async def members(self, group: str, topic: str) -> Sequence[Member]:
        """Return who reads a topic for a group; nobody for an unknown group.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """

    async def move(self, group: str, topic: str, positions: Mapping[int, int]) -> None:
        """Have a group continue at these offsets, by partition.

        The note of the last commit goes: it may announce a batch that begins elsewhere now.

        Raises:
            InUseError: Somebody reads for the group.
            LogUnavailableError: The log did not answer in time.
        """

    async def server(self) -> Server:
        """Return what keeps the log, as it says itself.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """

    async def copies(self, topic: str) -> Mapping[int, Copies]:
        """Return how often each partition is there; empty for an unknown topic.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """
