"""A JSON Web Key Set (RFC 7517): the keys of it that may verify tokens, and why not the others."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError
from msgspec import Struct

from ugc_api.auth.keys import Key
from ugc_api.auth.ports import KeySourceError

MAX_KEYS = 32
"""A token without `kid` tries each key that fits, so their number has a bound."""
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeySet(Struct, frozen=True, kw_only=True):
    """What a document holds.

    Attributes:
        keys: Those that may be used.
        refused: Of each other key: its name, and why it is not used.
    """

    keys: Sequence[Key]
    refused: Sequence[str]


class _Kind(NamedTuple):
    """A type of key: its curve, the members that make it, what it can do, how it is read."""

    curve: str | None
    members: tuple[str, ...]
    algorithms: frozenset[str]
    read: Callable[[dict[str, Any]], Any]


_KINDS: Mapping[str, _Kind] = {
    "RSA": _Kind(None, ("n", "e"), frozenset({"RS256", "PS256"}), RSAAlgorithm.from_jwk),
    "EC": _Kind("P-256", ("crv", "x", "y"), frozenset({"ES256"}), ECAlgorithm.from_jwk),
    "OKP": _Kind("Ed25519", ("crv", "x"), frozenset({"EdDSA"}), OKPAlgorithm.from_jwk),
}


class _Document(Struct, frozen=True, kw_only=True):
    keys: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_Document).decode


def read_jwks(document: bytes, allowed: frozenset[str]) -> KeySet:
    """Read a key set; one bad key does not cost the others.

    Args:
        document: The JSON.
        allowed: Algorithms that the settings allow.

    Raises:
        KeySourceError: It is no key set.
    """
    try:
        found = _decode(document).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = "the answer is not a JSON Web Key Set"
        raise KeySourceError(msg) from error
    keys: dict[str, Key] = {}
    refused = [f"{len(found) - MAX_KEYS} more than {MAX_KEYS}"] if len(found) > MAX_KEYS else []
    for number, jwk in enumerate(found[:MAX_KEYS]):
        try:
            key = _key(jwk, allowed)
        except ValueError as error:
            refused.append(f"{_name(jwk, number)}: {error}")
        else:
            keys[key.mark] = key
    return KeySet(keys=tuple(keys.values()), refused=tuple(refused))


def _key(jwk: Mapping[str, Any], allowed: frozenset[str]) -> Key:
    kind = _kind(jwk)
    algorithms = kind.algorithms & allowed
    if (algorithm := jwk.get("alg")) is not None:
        algorithms &= {algorithm} if isinstance(algorithm, str) else set()
    if not algorithms:
        _no("it is for another algorithm")
    _check_use(jwk)
    public = {"kty": jwk["kty"], **{name: jwk.get(name) for name in kind.members}}
    kid = jwk.get("kid")
    if not isinstance(kid, str | None):
        _no("its kid is not text")
    told = json.dumps([kid, sorted(algorithms), public], sort_keys=True)
    return Key(
        kid=kid,
        algorithms=algorithms,
        mark=hashlib.sha256(told.encode()).hexdigest(),
        material=_material(public, kind),
    )


def _kind(jwk: Mapping[str, Any]) -> _Kind:
    name = jwk.get("kty")
    if name == "oct" or _PRIVATE & jwk.keys():
        _no("it is a secret, and whoever can read this document has it")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or jwk.get("crv") != kind.curve:
        _no("its type or curve is not supported")
    return kind


def _check_use(jwk: Mapping[str, Any]) -> None:
    """Compare what the key is for; PyJWT does not."""
    if jwk.get("use", "sig") != "sig":
        _no("it is not for signatures (use)")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        _no("it is not for verifying (key_ops)")


def _material(public: dict[str, Any], kind: _Kind) -> object:
    try:
        found = kind.read(public)
    except (InvalidKeyError, UnsupportedAlgorithm, ValueError, TypeError, AttributeError) as error:
        msg = "its numbers are not those of a key"
        raise ValueError(msg) from error
    if public["kty"] == "RSA" and not _MIN_RSA_BITS <= found.key_size <= _MAX_RSA_BITS:
        _no(f"an RSA key has {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits here")
    return found


def _name(jwk: Mapping[str, Any], number: int) -> str:
    kid = jwk.get("kid")
    return repr(kid[:64]) if isinstance(kid, str) else f"number {number}"


def _no(reason: str) -> NoReturn:
    raise ValueError(reason)
