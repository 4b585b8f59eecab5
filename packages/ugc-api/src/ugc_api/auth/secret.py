"""The shared secret of HS256."""

import structlog
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from ugc_api.auth.keys import HS256, Key
from ugc_core.api_settings import AuthSection
from ugc_core.errors import ConfigError

MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key at least as long as the hash."""
_log = structlog.get_logger()


def secret_key(section: AuthSection) -> Key | None:
    """Return the key that the secret is; None where public keys alone are in use.

    Raises:
        ConfigError: There is neither a secret nor a place of public keys, or the secret is
            one that would verify nothing, or that somebody may guess.
    """
    secret = section.secret.encode()
    if not secret and (section.jwks_url or section.jwks_file):
        return None
    _check_length(secret, strict=section.strict)
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)  # refuses public keys and JWKs
    except InvalidKeyError as error:
        msg = f"auth.secret cannot be a shared secret: {error} Set another UGC_AUTH__SECRET_FILE"
        raise ConfigError(msg) from error
    return Key(kid=None, algorithms=frozenset({HS256}), mark="secret", material=secret)


def _check_length(secret: bytes, *, strict: bool) -> None:
    if len(secret) >= MIN_SECRET_BYTES:
        return
    if secret and not strict:
        _log.warning("the secret of tokens is short", bytes=len(secret), least=MIN_SECRET_BYTES)
        return
    found = f"has {len(secret)}" if secret else "is missing"
    msg = (
        f"auth.secret {found}; HS256 needs at least {MIN_SECRET_BYTES} bytes: run"
        " `openssl rand -hex 32 > jwt.secret` and set UGC_AUTH__SECRET_FILE=jwt.secret"
    )
    raise ConfigError(msg)
