"""HTTP basic credentials (RFC 7617): equally long for every wrong pair."""

import base64
import binascii
import hashlib
import hmac


def is_signed_in(header: str | None, *, user: str, password: str) -> bool:
    """Say whether an Authorization header has these credentials; never without a password."""
    given_user, given_password = _credentials(header or "")
    same_user = _same(given_user, user.encode())
    same_password = _same(given_password, password.encode())
    return bool(password) and same_user and same_password


def challenge(realm: str) -> dict[str, str]:
    """Return the header that has a browser ask for credentials."""
    return {"WWW-Authenticate": f'Basic realm="{realm}", charset="UTF-8"'}


def _same(given: bytes, wanted: bytes) -> bool:
    """Compare digests, which are equally long: the time tells not even the length."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())


def _credentials(header: str) -> tuple[bytes, bytes]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b"", b""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return b"", b""
    return user, password
