"""Who may come in."""

import hmac
from dataclasses import dataclass, field

from chdb_server.packets import Hello

DEFAULT_USER = "default"


@dataclass(frozen=True, kw_only=True)
class Login:
    """The one user there is."""

    user: str = DEFAULT_USER
    password: str = field(default="", repr=False)

    def admits(self, hello: Hello) -> bool:
        """Compare both in full, whatever differs, so that time tells nothing."""
        same_user = _same(hello.user or DEFAULT_USER, self.user)
        same_password = _same(hello.password, self.password)
        return same_user and same_password


def _same(given: str, expected: str) -> bool:
    given_bytes = given.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given_bytes, expected.encode("utf-8", "surrogateescape"))
