"""What happened to tokens, in plain numbers: the hot path adds one, and nothing else."""

from ugc_api.auth.refusals import Slug


class AuthCounts:
    """Numbers since the start.

    Attributes:
        hits: Tokens that were known again.
        misses: Tokens that had to be verified, whatever came of it.
        failures: Requests that got no identity, by reason.
    """

    __slots__ = ("failures", "hits", "misses")

    def __init__(self) -> None:
        """Start at zero."""
        self.hits = 0
        self.misses = 0
        self.failures: dict[str, int] = {}

    def failed(self, slug: Slug) -> None:
        """Count a request without an identity."""
        self.failures[slug] = self.failures.get(slug, 0) + 1
