"""Where public keys come from, and how they are."""

from typing import Final, Protocol

from ugc_core.errors import TransientError

MOST_BYTES: Final = 262_144
"""Of a document: a key has about 400 bytes, and what is much larger is no key set."""


class KeySourceError(TransientError):
    """The keys cannot be read at the moment; those that are known stay in use."""


class KeySource(Protocol):
    """A place that publishes a key set."""

    @property
    def where(self) -> str:
        """The place, for people; it holds no secret."""

    async def fetch(self) -> bytes:
        """Return the document.

        Waits for a bounded time, and takes at most `MOST_BYTES`.

        Raises:
            KeySourceError: There is none at the moment.
        """


class KeyState(Protocol):
    """Whether tokens can be verified."""

    @property
    def present(self) -> bool:
        """Whether there are public keys."""

    @property
    def trouble(self) -> str:
        """Why the keys cannot be read anew; empty while they can."""
