"""Which keys of a set are used, and why the others are not."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_api.auth.signers import ASYMMETRIC, base64url, jwk, jwks, public_jwk
from ugc_api.auth.jwks import MAX_KEYS, read_jwks
from ugc_api.auth.keys import PUBLIC
from ugc_api.auth.ports import KeySourceError

GOOD = jwk("ES256", "good")


def only_refused(key) -> str:
    """Return why a key is not used; the good one beside it is."""
    found = read_jwks(jwks(key, GOOD), PUBLIC)
    assert [each.kid for each in found.keys] == ["good"]
    [reason] = found.refused
    return reason


def test_each_type_of_key_gets_its_algorithms():
    for name, able in (
        ("RS256", {"RS256", "PS256"}),
        ("ES256", {"ES256"}),
        ("EdDSA", {"EdDSA"}),
    ):
        [key] = read_jwks(jwks(jwk(name, "a")), PUBLIC).keys
        assert (key.kid, set(key.algorithms)) == ("a", able)


@pytest.mark.parametrize("name", ASYMMETRIC)
def test_alg_and_the_settings_narrow_them(name):
    [key] = read_jwks(jwks(jwk(name, alg=name)), PUBLIC).keys
    assert key.algorithms == {name}

    assert read_jwks(jwks(jwk(name)), frozenset({"ES256"}) - {name}).keys == ()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ({"kty": "oct", "k": base64url(b"x" * 32)}, "secret"),
        (
            {"kty": "oct", "k": base64url(b"x" * 32), "alg": "HS256", "kid": "h"},
            "'h': it is a secret",
        ),
        (GOOD | {"d": base64url(b"x" * 32)}, "secret"),
        (jwk("RS256") | {"d": "AQAB"}, "secret"),
        (GOOD | {"kid": "e", "use": "enc"}, "'e': it is not for signatures"),
        (GOOD | {"use": None}, "not for signatures"),
        (GOOD | {"key_ops": ["sign"]}, "not for verifying"),
        (GOOD | {"key_ops": []}, "not for verifying"),
        (GOOD | {"key_ops": "verify"}, "not for verifying"),
        (GOOD | {"alg": "RS256"}, "another algorithm"),
        (GOOD | {"alg": "HS256"}, "another algorithm"),
        (jwk("RS256") | {"alg": "RS512"}, "another algorithm"),
        (jwk("RS256") | {"alg": ["RS256"]}, "another algorithm"),
        (GOOD | {"kid": 5}, "kid"),
        (GOOD | {"crv": "P-384"}, "curve"),
        (GOOD | {"x": "AA"}, "numbers"),
        (GOOD | {"x": 5}, "numbers"),
        (GOOD | {"x": base64url(b"\1" * 32)}, "numbers"),
        ({"kty": "EC", "crv": "P-256"}, "numbers"),
        ({"kty": "RSA", "n": "!!", "e": "AQAB"}, "numbers"),
        ({"kty": "RSA", "n": base64url(b"\xff" * 256), "e": base64url(b"\2")}, "numbers"),
        ({"kty": "RSA", "n": base64url(b"\xff" * 1025), "e": "AQAB"}, "bits"),
        ({"kty": "OKP", "crv": "X25519", "x": base64url(b"x" * 32)}, "curve"),
        ({"kty": "OKP", "crv": "Ed25519", "x": base64url(b"x" * 31)}, "numbers"),
        ({"kty": "EC2"}, "type"),
        ({"kty": ["EC"]}, "type"),
        ({}, "number 0: its type"),
    ],
)
def test_one_bad_key_is_named_and_the_others_are_used(key, why):
    assert why in only_refused(key)


def test_weak_rsa_and_other_curves_are_not_used():
    weak = rsa.generate_private_key(65_537, 1024).public_key()  # noqa: S505 - on purpose
    curve = ec.generate_private_key(ec.SECP384R1()).public_key()
    goldilocks = ed448.Ed448PrivateKey.generate().public_key()

    assert "2048" in only_refused(public_jwk(weak))
    assert "curve" in only_refused(public_jwk(curve))
    assert "curve" in only_refused(public_jwk(goldilocks))


def test_a_long_name_is_cut_and_a_strange_one_quoted():
    assert len(only_refused({"kid": "k" * 10_000})) < 200
    assert "\n" not in only_refused({"kid": "a\nb"})


def test_more_keys_than_the_bound_are_left_out():
    found = read_jwks(jwks(*(GOOD | {"kid": str(n)} for n in range(MAX_KEYS + 3))), PUBLIC)

    assert len(found.keys) == MAX_KEYS
    assert found.refused == (f"3 more than {MAX_KEYS}",)


def test_the_same_key_twice_counts_once_and_under_two_names_twice():
    assert len(read_jwks(jwks(GOOD, GOOD), PUBLIC).keys) == 1
    assert len(read_jwks(jwks(GOOD, GOOD | {"kid": "b"}), PUBLIC).keys) == 2


@pytest.mark.parametrize("document", [GOOD | {"x5c": ["AA=="], "x5u": "http://a", "nonsense": 1}])
def test_members_that_are_not_known_do_not_matter(document):
    assert len(read_jwks(jwks(document), PUBLIC).keys) == 1


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": [1]}',
        b"<html>",
        b"\xff",
        b"[" * 9999,
    ],
)
def test_what_is_no_key_set_is_none(document):
    with pytest.raises(KeySourceError, match="not a JSON Web Key Set"):
        read_jwks(document, PUBLIC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid"])


@given(
    name=st.sampled_from(["RS256", "ES256", "EdDSA"]),
    wrong=st.dictionaries(NAMES, JSON, min_size=1),
)
def test_no_key_costs_the_others_their_use(name, wrong):
    found = read_jwks(jwks(jwk(name) | wrong, GOOD), PUBLIC)

    assert "good" in [key.kid for key in found.keys]
    assert json.dumps(list(found.refused))
