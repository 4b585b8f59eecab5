"""What a client hears that asks too often, or at a bad moment."""

import math
from collections.abc import Mapping

from ugc_api.limiting.buckets import Buckets
from ugc_api.problems import kinds
from ugc_api.problems.problem import STOP_RETRY_S, ProblemError

OVERLOAD_RETRY_S = 1
"""What is under way is over within a second, or the log is slow and one more try costs little."""


def rate_limited(policy: str, buckets: Buckets, *, wait_s: float, left: float) -> ProblemError:
    """Return the 429 of an empty bucket.

    Args:
        policy: Whose bucket it is: user or address.
        buckets: What it is one of.
        wait_s: How long until there is enough in it.
        left: What is in it.
    """
    detail = f"Too much at once from this {policy}; nothing of it was kept."
    headers = limit_headers(policy, buckets, wait_s=wait_s, left=left)
    return ProblemError(kinds.RATE_LIMITED, detail, headers=headers)


def overloaded(detail: str = "Too many requests are under way.") -> ProblemError:
    """Return the 503 of a service that has enough to do."""
    headers = {"Retry-After": str(OVERLOAD_RETRY_S)}
    return ProblemError(kinds.OVERLOADED, detail, headers=headers)


def cut_off() -> ProblemError:
    """Return the 503 of a request that was still under way when the process had to end."""
    detail = (
        "This instance stops, and the outcome is unknown. Send the same reports to another one,"
        " with the same event_id."
    )
    headers = {"Retry-After": str(STOP_RETRY_S), "Connection": "close"}
    return ProblemError(kinds.STOPPING, detail, headers=headers)


def limit_headers(
    policy: str, buckets: Buckets, *, wait_s: float, left: float
) -> Mapping[str, str]:
    """Return Retry-After, RateLimit and RateLimit-Policy.

    The last two after draft-ietf-httpapi-ratelimit-headers-10: a bucket is a quota `q` that
    comes back within a window of `w` seconds; `r` is left, and there is enough in `t` seconds.
    """
    wait = math.ceil(wait_s)
    window = math.ceil(buckets.burst / buckets.rate) if buckets.rate else 0
    return {
        "Retry-After": str(wait),
        "RateLimit-Policy": f'"{policy}";q={int(buckets.burst)};w={window}',
        "RateLimit": f'"{policy}";r={int(left)};t={wait}',
    }
