"""Keys whose partition a test can tell beforehand."""

from ugc_core.partitioner import partition_for

KEYS = tuple(
    next(b"user-%d" % n for n in range(1000) if partition_for(b"user-%d" % n, 4) == partition)
    for partition in range(4)
)
"""One key for each of four partitions."""
