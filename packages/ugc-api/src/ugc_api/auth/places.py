"""Where public keys are, as the settings say it."""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from ugc_core.api_settings import AuthSection
from ugc_core.errors import ConfigError


class KeyFile(Struct, frozen=True, kw_only=True):
    """A file.

    Attributes:
        path: The file.
    """

    path: Path


class KeyUrl(Struct, frozen=True, kw_only=True):
    """A URL.

    Attributes:
        url: https, or http on this machine.
    """

    url: str


def key_place(section: AuthSection) -> KeyFile | KeyUrl | None:
    """Return where public keys are, if tokens may be signed with any.

    Raises:
        ConfigError: There are two places, or anybody on the way could change the keys.
    """
    if section.jwks_file and section.jwks_url:
        msg = "auth.jwks_file and auth.jwks_url are both set; keep one"
        raise ConfigError(msg)
    if section.jwks_file:
        return KeyFile(path=section.jwks_file)
    if not section.jwks_url:
        return None
    _check(section.jwks_url)
    return KeyUrl(url=section.jwks_url)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, port_is_fit = parts.hostname or "", parts.port != 0
    except ValueError as error:
        msg = f"auth.jwks_url is not a URL: {error}"
        raise ConfigError(msg) from error
    if parts.username is not None or parts.password is not None:
        msg = "auth.jwks_url must not hold a user or a password: keys are public"
        raise ConfigError(msg)
    if not url.isprintable():  # the client refuses it, urlsplit leaves such characters out
        msg = "auth.jwks_url is not a URL: it holds characters that cannot be printed"
        raise ConfigError(msg)
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not secure or not host or not port_is_fit or parts.fragment:
        msg = (
            "auth.jwks_url must be https://HOST/…, or http:// on this machine: whoever can change"
            " the keys on their way can sign any token"
        )
        raise ConfigError(msg)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
