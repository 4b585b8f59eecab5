"""One partition feeds one shard: held at the start, and when partitions are added later."""

from collections.abc import Awaitable, Callable

from ugc_core.topology import refuse_partitions
from ugc_core.warehouse import Shards


class PartitionCheck:
    """Looks at the number of partitions again whenever one appears that it does not know."""

    def __init__(
        self, warehouse: Shards, count: Callable[[], Awaitable[int]], *, cluster: str
    ) -> None:
        """Know no partition yet.

        Args:
            warehouse: Whose shards there are.
            count: Counts the topic's partitions.
            cluster: The cluster's name, for the message.
        """
        self._warehouse = warehouse
        self._count = count
        self._cluster = cluster
        self._known = 0

    async def __call__(self, partition: int) -> None:
        """Refuse a partition that would not feed one shard alone.

        Raises:
            ConfigError: The topic's partitions are no multiple of the shards.
            TransientError: Log or warehouse did not answer.
        """
        if partition < self._known:
            return
        partitions = await self._count()
        refuse_partitions(partitions, await self._warehouse.shards(), cluster=self._cluster)
        self._known = max(partitions, partition + 1)
