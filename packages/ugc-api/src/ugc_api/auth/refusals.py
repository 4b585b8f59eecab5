"""Why a token opens nothing: it proves nothing, or nobody can tell at the moment."""

from typing import Literal, NoReturn

Slug = Literal[
    "missing",
    "form",
    "extension",
    "algorithm",
    "unknown-key",
    "signature",
    "type",
    "claims",
    "expired",
    "not-yet",
    "not-access",
    "audience",
    "issuer",
    "keys-unavailable",
]
"""Every reason, as the metrics name it: a label with bounds."""


class TokenRefusedError(Exception):
    """The token proves nothing.

    Attributes:
        slug: Why, for the metrics.
        reason: Why, in words that hold nothing of the token.
    """

    def __init__(self, reason: str, *, slug: Slug) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.slug = slug
        self.reason = reason


class KeysUnavailableError(Exception):
    """The token names a key that is not here, and the issuer has not answered yet."""


def refuse(slug: Slug, reason: str) -> NoReturn:
    """Refuse a token.

    Raises:
        TokenRefusedError: Always.
    """
    raise TokenRefusedError(reason, slug=slug)
