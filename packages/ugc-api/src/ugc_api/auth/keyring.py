"""The keys that count now."""

from collections.abc import Callable, Iterable, Sequence

from ugc_api.auth.keys import Key


class Keyring:
    """The shared secret, which stays, and public keys, which come and go."""

    def __init__(self, secret: Key | None = None) -> None:
        """Start without public keys."""
        self._secret = (secret,) if secret else ()
        self._public: tuple[Key, ...] = ()
        self._listeners: list[Callable[[], None]] = []

    @property
    def public(self) -> Sequence[Key]:
        """The public keys."""
        return self._public

    def fitting(self, algorithm: str, kid: str | None) -> list[Key]:
        """Return the keys that may have signed; a key without a name may be anyone's."""
        return [
            key
            for key in (*self._secret, *self._public)
            if algorithm in key.algorithms and (kid is None or key.kid in {None, kid})
        ]

    def names(self, kid: str | None) -> bool:
        """Say whether a public key has this name."""
        return kid is not None and any(key.kid == kid for key in self._public)

    @property
    def marks(self) -> frozenset[str]:
        """What tells the keys that count from all others."""
        return frozenset(key.mark for key in (*self._secret, *self._public))

    def replace(self, public: Iterable[Key]) -> None:
        """Take a new set of public keys; whoever listens is told if it differs."""
        before = self.marks
        self._public = tuple(public)
        if self.marks != before:
            for told in self._listeners:
                told()

    def on_change(self, told: Callable[[], None]) -> None:
        """Call `told` after each change, before anything else is verified."""
        self._listeners.append(told)
