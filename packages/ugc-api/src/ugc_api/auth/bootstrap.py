"""The part of the composition root that verifies tokens: from the settings to a `Bearer`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, assert_never

from ugc_api.auth.adapters.file_key_source import FileKeySource
from ugc_api.auth.bearer import Bearer
from ugc_api.auth.counts import AuthCounts
from ugc_api.auth.jwks import KeySet, read_jwks
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import ALGORITHMS, HS256, PUBLIC
from ugc_api.auth.places import KeyFile, KeyUrl, key_place
from ugc_api.auth.ports import KeySource, KeyState
from ugc_api.auth.refresher import KeyRefresher
from ugc_api.auth.secret import secret_key
from ugc_api.auth.tokens import TokenVerifier
from ugc_core.api_settings import AuthSection
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError
from ugc_core.meanwhile import meanwhile

_FILE_PERIOD_S = 5.0
"""A file is near and small: a rotation by it is seen within seconds."""


class OpenedAuth(NamedTuple):
    """What verifies tokens.

    Attributes:
        bearer: Tells who asks.
        keys: How the public keys are; None where a shared secret is all there is.
    """

    bearer: Bearer
    keys: KeyState | None


@asynccontextmanager
async def open_auth(section: AuthSection, clock: Clock) -> AsyncIterator[OpenedAuth]:
    """Open what verifies tokens, and keep its keys fresh.

    An issuer that does not answer delays the start by `jwks_timeout_s` at most, and does not
    stop it: until it does, tokens are answered with 503. A file without a usable key stops it.

    Raises:
        ConfigError: The settings cannot work.
    """
    place, keys = key_place(section), Keyring(secret_key(section))
    algorithms = _algorithms(section, secret="secret" in keys.marks, public=place is not None)
    async with AsyncExitStack() as stack:
        refresher: KeyRefresher | None = None
        if place is not None:
            opening = _kept_fresh(place, section, keys, algorithms=algorithms & PUBLIC, clock=clock)
            refresher = await stack.enter_async_context(opening)
        ask = refresher.ask if refresher else None
        verifier = TokenVerifier(keys, rules=section, algorithms=algorithms, ask=ask)
        counts = AuthCounts()
        bearer = Bearer(verifier, clock, remembered=section.max_cached_tokens, counts=counts)
        yield OpenedAuth(bearer, refresher)


async def look_at_keys(section: AuthSection) -> KeySet:
    """Read the public keys once, for whoever wants to know how they are.

    Raises:
        ConfigError: The settings cannot work, or name no place of keys.
        KeySourceError: The keys cannot be read.
    """
    place = key_place(section)
    if place is None:
        msg = "neither auth.jwks_file nor auth.jwks_url is set"
        raise ConfigError(msg)
    allowed = _algorithms(section, secret=bool(section.secret), public=True)
    async with _open_source(place, section) as source:
        return read_jwks(await source.fetch(), allowed & PUBLIC)


def _algorithms(section: AuthSection, *, secret: bool, public: bool) -> frozenset[str]:
    possible = (frozenset({HS256}) if secret else frozenset()) | (PUBLIC if public else frozenset())
    allowed = possible & (frozenset(section.algorithms) or ALGORITHMS)
    if not allowed:
        msg = (
            f"auth.algorithms allows {', '.join(section.algorithms)} alone: no key is set that"
            " could be used with it"
        )
        raise ConfigError(msg)
    return allowed


@asynccontextmanager
async def _kept_fresh(
    place: KeyFile | KeyUrl,
    section: AuthSection,
    keys: Keyring,
    *,
    algorithms: frozenset[str],
    clock: Clock,
) -> AsyncIterator[KeyRefresher]:
    """Read the keys of a place, and go on reading them in the block.

    Raises:
        ConfigError: It is a file without a usable key.
    """
    period_s = section.jwks_refresh_s
    if isinstance(place, KeyFile):
        period_s = min(period_s, _FILE_PERIOD_S)
    async with _open_source(place, section) as source:
        refresher = KeyRefresher(
            source, keys, algorithms=algorithms, period_s=period_s, clock=clock
        )
        await refresher.refresh()
        if isinstance(place, KeyFile) and not refresher.present:
            why = refresher.trouble or "it holds no key that may be used, see the log"
            msg = f"auth.jwks_file: no keys to verify tokens with: {why}"
            raise ConfigError(msg)
        async with meanwhile(refresher.run()):
            yield refresher


@asynccontextmanager
async def _open_source(place: KeyFile | KeyUrl, section: AuthSection) -> AsyncIterator[KeySource]:
    match place:
        case KeyFile():
            yield FileKeySource(place.path)
        case KeyUrl():
            # Only who asks an issuer pays for an HTTP client.
            from ugc_api.auth.adapters.httpx_key_source import open_key_source

            opening = open_key_source(
                place.url, ca_path=section.jwks_ca_path, timeout_s=section.jwks_timeout_s
            )
            async with AsyncExitStack() as stack:
                try:
                    source = await stack.enter_async_context(opening)
                except OSError as error:
                    msg = f"auth.jwks_ca_path: cannot read {section.jwks_ca_path}: {error}"
                    raise ConfigError(msg) from error
                yield source
        case _:
            assert_never(place)
