"""The three parts of a token: JWS compact serialization (RFC 7515), more strictly than most.

A token has one spelling. What decodes to the same bytes in a second way is refused: caches and
logs would see two tokens where there is one, and a bit that nobody looks at invites a guess.
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NoReturn

from msgspec import Struct

from ugc_api.auth.refusals import TokenRefusedError, refuse

MAX_TOKEN_BYTES: Final = 8192
_MAX_KID_CHARS = 512
_FORM = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
_WRONG = "the token's form or signature is wrong"
_MALFORMED = "the token's JSON is malformed"
_TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})


class Compact(Struct, frozen=True, kw_only=True):
    """A token that was read, and not verified.

    Attributes:
        algorithm: What its header says that it is signed with.
        kid: The key that its header names, if any: text to compare, and nothing else.
        claims: JSON of an object in which no name comes twice.
        signed: The bytes under the signature.
        signature: The signature.
    """

    algorithm: str
    kid: str | None
    claims: bytes
    signed: bytes
    signature: bytes


def read(token: bytes) -> Compact:
    """Take a token apart. Keys in its header (jwk, jku, x5u, x5c) are never looked at.

    Raises:
        TokenRefusedError: It is not one, or asks for more than is understood here.
    """
    if len(token) > MAX_TOKEN_BYTES:
        refuse("form", "the token is too long")
    parts = _FORM.fullmatch(token)
    if parts is None:
        refuse("form", _WRONG)
    header = _object(_bytes(parts[1]))
    claims = _bytes(parts[2])
    _object(claims)
    algorithm, kid = _checked(header)
    return Compact(
        algorithm=algorithm,
        kid=kid,
        claims=claims,
        signed=token[: parts.end(2)],
        signature=_bytes(parts[3]),
    )


def _bytes(part: bytes) -> bytes:
    try:
        found = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise TokenRefusedError(_WRONG, slug="form") from error
    if urlsafe_b64encode(found).rstrip(b"=") != part:  # bits that do not count are not zero
        refuse("form", _WRONG)
    return found


def _object(data: bytes) -> dict[str, object]:
    """Decode a JSON object; which of two values counts would be a guess (RFC 8725, 2.4)."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise TokenRefusedError(_MALFORMED, slug="form") from error
    if not isinstance(found, dict):
        refuse("form", _MALFORMED)
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name comes twice"
        raise ValueError(msg)
    return found


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _checked(header: dict[str, object]) -> tuple[str, str | None]:
    if "crit" in header or "b64" in header:
        refuse("extension", "the token needs an extension that is not supported")
    kind = header.get("typ")
    if not isinstance(kind, str | None) or (kind and kind.lower()) not in _TYPES:
        refuse("type", "the token is of another type")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        refuse("form", _WRONG)
    if not isinstance(kid, str | None) or len(kid or "") > _MAX_KID_CHARS:
        refuse("form", "the token's kid is not fit to name a key")
    return algorithm, kid
