"""Files that the process may have open: a connection is one of them."""

import resource

_OTHERS = 256
"""What the log, the warehouse, brokers and the process itself have open."""
_LEAST = 16


def room_for_connections(most: int) -> int:
    """Return how many connections fit, at most `most`; the soft limit is raised for them.

    Without the bound a flood of connections would take the files that the log needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return most
    return min(most, max(soft - _OTHERS, _LEAST))
