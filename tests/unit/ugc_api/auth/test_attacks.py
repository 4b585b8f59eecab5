"""Attacks on JSON Web Tokens that are known by name (RFC 8725): none proves anything here."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_api.auth.signers import (
    ASYMMETRIC,
    CLAIMS,
    NOW,
    base64url,
    issued,
    jwk,
    private,
    public_jwk,
    put_together,
    refusal,
    sign,
    verifier,
)

EVERY = verifier(*(jwk(name, f"key-{name}", alg=name) for name in ASYMMETRIC))
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def public_forms():
    """Return every way to write an RSA public key that somebody may take for a secret."""
    key = private("RS256").public_key()
    for encoding, form in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.PEM, PublicFormat.PKCS1),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.OpenSSH, PublicFormat.OpenSSH),
    ):
        yield key.public_bytes(encoding, form)
    published = jwk("RS256", "key-RS256", alg="RS256")
    yield json.dumps(published).encode()
    yield json.dumps(published, separators=(",", ":")).encode()
    yield published["n"].encode()


def test_a_good_token_of_each_algorithm_is_accepted():
    for name in ASYMMETRIC:
        assert refusal(EVERY, issued(name, f"key-{name}")) == ""
        assert refusal(EVERY, issued(name)) == ""
    assert refusal(EVERY, sign(CLAIMS)) == ""


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS384", "hs256", "RS512"])
@pytest.mark.parametrize("signature", [b"", b"\0" * 32])
def test_an_algorithm_that_is_not_ours_is_refused(name, signature):
    assert refusal(EVERY, put_together({"alg": name}, CLAIMS, signature)) == "algorithm"


@pytest.mark.parametrize("secret", [*public_forms()])
@pytest.mark.parametrize("kid", [None, "key-RS256"])
def test_a_public_key_is_never_the_secret_of_an_hmac(secret, kid):
    named = {"kid": kid} if kid else {}

    assert refusal(EVERY, sign(CLAIMS, "HS256", secret, **named)) == "signature"
    without_secret = verifier(jwk("RS256", "key-RS256"), secret="")
    assert refusal(without_secret, sign(CLAIMS, "HS256", secret, **named)) == "signature"


@pytest.mark.parametrize("name", ASYMMETRIC)
def test_the_secret_never_verifies_what_calls_itself_signed_by_a_key(name):
    token = sign(CLAIMS, alg=name)

    assert refusal(verifier(), token) == "unknown-key"
    assert refusal(EVERY, token) != ""


@pytest.mark.parametrize("named", ["RS256", "PS256", "ES256", "EdDSA", "HS256"])
@pytest.mark.parametrize("made", ASYMMETRIC)
def test_a_key_verifies_its_own_algorithm_alone(made, named):
    """Every signature, under every name, against every key: only the honest ones pass."""
    token = sign(CLAIMS, made, private(made), alg=named, kid=f"key-{made}")

    assert (refusal(EVERY, token) == "") == (made == named)


@pytest.mark.parametrize(("pinned", "other"), [("RS256", "PS256"), ("PS256", "RS256")])
def test_an_rsa_key_with_alg_is_not_used_with_the_other_padding(pinned, other):
    key = jwk("RS256", "a", alg=pinned)
    token = sign(CLAIMS, other, private("RS256"), kid="a")

    assert refusal(verifier(key), token) == "signature"
    del key["alg"]
    assert refusal(verifier(key), token) == ""


def test_keys_that_a_token_brings_along_are_not_looked_at():
    attacker = public_jwk(private("ES256", 9).public_key())
    brought: dict[str, Any] = {
        "jwk": attacker | {"alg": "ES256"},
        "jku": "http://127.0.0.1:1/jwks.json",
        "x5u": "http://127.0.0.1:1/chain.pem",
        "x5c": ["AAAA"],
        "x5t": "AAAA",
    }
    for name, value in brought.items():
        theirs = sign(CLAIMS, "ES256", private("ES256", 9), **{name: value})
        ours = sign(CLAIMS, "ES256", private("ES256"), **{name: value})
        assert refusal(EVERY, theirs) == "unknown-key"
        assert refusal(EVERY, ours) == ""


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/proc/self/environ",
        "x' UNION SELECT 'secret'; --",
        "key-RS256\0",
        "|id",
        "",
        "%s%n",
        "\u202e",
    ],
)
def test_a_kid_is_text_to_compare_and_nothing_else(kid):
    for secret in (b"", b"secret", kid.encode()):
        assert refusal(EVERY, sign(CLAIMS, "HS256", secret, kid=kid)) == "signature"
    assert refusal(EVERY, issued("RS256", kid)) == "unknown-key"


@pytest.mark.parametrize("kid", [7, None, ["key-RS256"], {"a": 1}, True, "k" * 513])
def test_a_kid_that_is_no_name_is_refused(kid):
    token = sign(CLAIMS, "RS256", private("RS256"), raw=json.dumps({"alg": "RS256", "kid": kid}))

    assert refusal(EVERY, token) == ("" if kid is None else "form")


@pytest.mark.parametrize(
    "asked",
    [
        {"crit": ["b64"], "b64": True},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": None},
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"b64": True},
    ],
)
def test_an_extension_that_is_asked_for_is_refused_under_a_good_signature(asked):
    assert refusal(EVERY, sign(CLAIMS, **asked)) == "extension"


@pytest.mark.parametrize("name", ["HS256", *ASYMMETRIC])
def test_a_token_has_one_spelling(name):
    token = sign(CLAIMS) if name == "HS256" else issued(name, f"key-{name}")
    head, claims, signature = token.split(b".")
    spellings = {
        token + b"=",
        token + b"==",
        token + b"\n",
        b" " + token,
        head + b"=." + claims + b"." + signature,
        head + b"." + claims + b"==." + signature,
        head + b"\n." + claims + b"." + signature,
        token + b".",
        token + b"." + signature,
        token.replace(b"-", b"+").replace(b"_", b"/") + b"~",
        token + b"A",
        token + b"AA",
        token[:-1],
    }
    place = ALPHABET.index(signature[-1])
    spellings |= {token[:-1] + bytes([letter]) for letter in ALPHABET if letter != ALPHABET[place]}

    assert refusal(EVERY, token) == ""
    assert {refusal(EVERY, spelling) for spelling in spellings} <= {"form", "signature"}


@given(part=st.integers(0, 2), at=st.integers(0, 10_000), letter=st.sampled_from(list(ALPHABET)))
def test_a_token_that_is_changed_anywhere_proves_nothing(part, at, letter):
    parts = [bytearray(each) for each in issued("ES256", "key-ES256").split(b".")]
    before = bytes(parts[part])
    parts[part][at % len(before)] = letter

    changed = bytes(parts[part]) != before
    assert (refusal(EVERY, b".".join(map(bytes, parts))) != "") == changed


@pytest.mark.parametrize(
    "signature",
    [
        b"\0" * 64,
        b"\0" * 63 + b"\1",
        b"\0" * 31 + b"\1" + b"\0" * 32,
        b"\xff" * 64,
        b"",
        b"\0",
        b"\0" * 65,
        bytes.fromhex("3006020100020100"),
    ],
)
def test_an_ecdsa_signature_of_zeros_proves_nothing(signature):
    token = put_together({"alg": "ES256", "kid": "key-ES256"}, CLAIMS, signature)

    assert refusal(EVERY, token) == "signature"


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_a_signature_on_another_curve_proves_nothing(curve):
    other = ec.generate_private_key(curve)
    key = public_jwk(other.public_key())

    assert refusal(verifier(key), sign(CLAIMS, "ES256", other)) == "unknown-key"
    assert refusal(EVERY, sign(CLAIMS, "ES256", other, kid="key-ES256")) == "signature"


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 63])
def test_an_eddsa_signature_of_zeros_proves_nothing(signature):
    token = put_together({"alg": "EdDSA", "kid": "key-EdDSA"}, CLAIMS, signature)

    assert refusal(EVERY, token) == "signature"


def test_the_last_of_two_equal_names_does_not_win_and_neither_does_the_first():
    victim = '{"sub": "%s", "exp": %d, "sub": "00000000-0000-0000-0000-000000000006"}'
    claims = victim % (CLAIMS["sub"], NOW + 60)

    assert refusal(EVERY, sign(claims)) == "form"
    assert refusal(EVERY, sign(CLAIMS, raw='{"alg": "none", "alg": "HS256"}')) == "form"
    assert refusal(EVERY, sign(CLAIMS | {"x": {"y": 1}})) == ""


@pytest.mark.parametrize(
    "claims",
    ["[" * 3000, '{"x":' * 1000 + "1" + "}" * 1000, "", "null", "[]", "1", '"x"', "{", "\ufeff{}"],
)
def test_claims_that_are_no_object_are_refused(claims):
    assert refusal(EVERY, sign(claims)) in {"form", "claims"}


@pytest.mark.parametrize("data", [b"\xff\xfe", b"{\xc3\x28}", '{"alg":"HS256"}'.encode("utf-16")])
def test_text_that_is_not_utf_8_is_refused(data):
    part = base64url(data).encode()

    assert refusal(EVERY, part + b"." + part + b".") == "form"


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_fail_in_another_way(data):
    assert refusal(EVERY, data) == "form"
    assert refusal(EVERY, sign(CLAIMS).rpartition(b".")[0] + b"." + data) != ""
