"""Public keys, read again and again, so that no request ever waits for them."""

import asyncio
from collections.abc import Sequence

import structlog

from ugc_api.auth.jwks import read_jwks
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.ports import KeySource, KeySourceError
from ugc_core.backoff import Backoff
from ugc_core.clock import Clock

_ASK_EVERY_S = 30.0
"""Tokens with unknown keys have the set read at most so often, however many there are."""
_AGAIN = Backoff(first_s=1.0, most_s=60.0)
_log = structlog.get_logger()


class KeyRefresher:
    """Keeps a keyring as its source is.

    A set that was read replaces the one before: a key that it lacks counts no more. A set that
    cannot be read replaces nothing, for as long as that lasts: an issuer that is down revokes
    no key.
    """

    def __init__(
        self,
        source: KeySource,
        keys: Keyring,
        *,
        algorithms: frozenset[str],
        period_s: float,
        clock: Clock,
    ) -> None:
        """Read nothing yet.

        Args:
            source: Where the keys are.
            keys: Where they go.
            algorithms: What keys may be used with.
            period_s: How often the source is read, in seconds.
            clock: Time.
        """
        self._source = source
        self._keys = keys
        self._algorithms = algorithms
        self._rest = Backoff(first_s=period_s, most_s=period_s)
        self._clock = clock
        self._failures = 0
        self._trouble = "they were not asked for yet"
        self._refused: Sequence[str] = ()
        self._asked = asyncio.Event()
        self._asked_at = float("-inf")
        self._reading = False

    @property
    def present(self) -> bool:
        """Whether there are keys."""
        return bool(self._keys.public)

    @property
    def trouble(self) -> str:
        """Why the source cannot be read; empty while it can."""
        return self._trouble

    def ask(self) -> bool:
        """Have the source read soon; say whether an answer is to come."""
        if not self._asked.is_set() and self._clock.now() - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = self._clock.now()
            self._asked.set()
        return self._asked.is_set() or self._reading or bool(self._trouble)

    async def refresh(self) -> None:
        """Read the source once; nothing that is wrong with it gets out."""
        self._asked.clear()  # who asks from now on may have seen a newer key than this reading
        self._reading = True
        try:
            self._take(await self._source.fetch())
        except KeySourceError as error:
            self._failed(str(error))
        except Exception:  # a bug here must not end the refreshing: keys would never change again
            _log.exception("reading the keys of tokens failed", source=self._source.where)
            self._failed("an unexpected error, see the log")
        else:
            if self._failures:
                _log.info("the keys of tokens can be read again", source=self._source.where)
            self._failures, self._trouble = 0, ""
        finally:
            self._reading = False

    async def run(self) -> None:
        """Rest and read, until cancelled."""
        while True:
            failed = self._failures
            seconds = _AGAIN.wait_s(failed) if failed else self._rest.wait_s(1)
            try:
                async with asyncio.timeout(seconds):
                    await self._asked.wait()
            except TimeoutError:
                pass
            await self.refresh()

    def _take(self, document: bytes) -> None:
        found = read_jwks(document, self._algorithms)
        if found.refused != self._refused:
            self._refused = found.refused
            if found.refused:
                _log.warning(
                    "keys of tokens are not used",
                    source=self._source.where,
                    keys=list(found.refused),
                )
        self._keys.replace(found.keys)

    def _failed(self, reason: str) -> None:
        if not self._failures:  # once an outage, not once a try
            _log.warning(
                "the keys of tokens cannot be read",
                source=self._source.where,
                reason=reason,
                keys_kept=len(self._keys.public),
            )
        self._failures += 1
        self._trouble = reason
