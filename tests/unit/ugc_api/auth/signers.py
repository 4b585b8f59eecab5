"""Issuers' keys for tests: made once, published as JWKs, and what they sign."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, get_default_algorithms

from ugc_api.auth.bearer import Bearer
from ugc_api.auth.counts import AuthCounts
from ugc_api.auth.jwks import read_jwks
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import ALGORITHMS, PUBLIC
from ugc_api.auth.refusals import TokenRefusedError
from ugc_api.auth.secret import secret_key
from ugc_api.auth.tokens import TokenVerifier
from ugc_core.api_settings import AuthSection

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_767_225_600
USER = "00000000-0000-0000-0000-000000000005"
CLAIMS: dict[str, Any] = {"sub": USER, "exp": NOW + 3600}
ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA")
_ALGORITHMS = get_default_algorithms()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private(algorithm: str, number: int = 0) -> Any:
    """Return a private key that fits an algorithm; another one for each number."""
    return _private("RS256" if algorithm == "PS256" else algorithm, number)


@cache
def _private(algorithm: str, number: int) -> Any:
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65_537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def jwk(algorithm: str, kid: str | None = None, number: int = 0, **more: Any) -> dict[str, Any]:
    """Return the public half of a key as its issuer publishes it."""
    found = public_jwk(private(algorithm, number).public_key())
    return found | ({"kid": kid} if kid is not None else {}) | more


def public_jwk(key: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        size = (key.key_size + 7) // 8
        return {
            "kty": "RSA",
            "n": base64url(numbers.n.to_bytes(size, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
        }
    kind = ECAlgorithm if isinstance(key, ec.EllipticCurvePublicKey) else OKPAlgorithm
    return kind.to_jwk(key, as_dict=True)


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def put_together(header: Any, claims: Any, signature: bytes = b"") -> bytes:
    """Return a token of parts as they are; text stands for JSON that is written already."""
    parts = [part if isinstance(part, str) else json.dumps(part) for part in (header, claims)]
    texts = [base64url(part.encode()) for part in parts]
    return ".".join([*texts, base64url(signature)]).encode()


def sign(
    claims: Any,
    algorithm: str = "HS256",
    key: Any = b"0123456789abcdef0123456789abcdef",
    *,
    raw: str = "",
    **header: Any,
) -> bytes:
    """Sign whatever is given; `raw` is a header as text, `alg` in `header` replaces the name."""
    told = raw or ({"typ": "JWT", "alg": algorithm} | header)
    signed = put_together(told, claims).rstrip(b".")
    made = (
        HMACAlgorithm(HMACAlgorithm.SHA256).sign(signed, key)
        if algorithm == "HS256"
        else _ALGORITHMS[algorithm].sign(signed, key)
    )
    return signed + b"." + base64url(made).encode()


def issued(algorithm: str, kid: str | None = None, number: int = 0, **claims: Any) -> bytes:
    """Return a good token of an issuer's key."""
    header = {"kid": kid} if kid is not None else {}
    return sign(CLAIMS | claims, algorithm, private(algorithm, number), **header)


def verifier(*keys: dict[str, Any], secret: str = SECRET, **rules: Any) -> TokenVerifier:
    """Return a verifier with a secret, if it is not empty, and with these public keys."""
    section = AuthSection(secret=secret, **rules)
    ring = Keyring(secret_key(section) if secret else None)
    ring.replace(read_jwks(jwks(*keys), PUBLIC).keys)
    return TokenVerifier(ring, rules=section, algorithms=ALGORITHMS)


def make_bearer(checked: TokenVerifier, clock: Any, *, remembered: int = 100) -> Bearer:
    return Bearer(checked, clock, remembered=remembered, counts=AuthCounts())


def header(token: bytes) -> bytes:
    return b"Bearer " + token


def refusal(checked: TokenVerifier, token: bytes) -> str:
    """Return why a token is refused; empty if it is not."""
    try:
        checked.verify(token, NOW * 1000)
    except TokenRefusedError as error:
        return error.slug
    return ""
