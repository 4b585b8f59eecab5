"""Beacon tokens: what they allow, how long, and that nothing else passes for one."""

import base64
import hmac
import json
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_api.auth.beacon_tokens import BeaconTokens, Grant, make_beacon_tokens
from ugc_api.problems.problem import ProblemError
from ugc_core.api_settings import AuthSection
from ugc_core.clock import ManualClock
from ugc_core.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "another-secret-of-more-than-32-bytes"
NOW = 1_767_225_600
GRANT = Grant(sub=UUID(int=5), film_id=UUID(int=6))
CLAIMS = {
    "sub": str(GRANT.sub),
    "film_id": str(GRANT.film_id),
    "type": "beacon",
    "aud": "ugc-beacons",
    "iat": NOW,
    "exp": NOW + 600,
}
UUIDS = st.uuids().filter(lambda value: value.int)


def signer(secret=SECRET, *, clock=None):
    return BeaconTokens(secret, ttl_s=600, clock=clock or ManualClock())


def refused(token, tokens=None):
    with pytest.raises(ProblemError) as caught:
        (tokens or signer()).read(token)
    assert caught.value.kind.slug == "invalid-token"
    assert "WWW-Authenticate" in caught.value.headers
    return str(caught.value)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_key_of(tokens, header, claims):
    """Return a token that is signed as ours are, with a header and claims of a test's own."""
    signed = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{signed}.{base64url(hmac.digest(tokens._key, signed.encode(), 'sha256'))}"


@given(
    grant=st.builds(
        Grant, sub=UUIDS, film_id=UUIDS, profile_id=st.none() | UUIDS, session_id=st.none() | UUIDS
    )
)
def test_what_was_granted_is_read_back(grant):
    found = signer().read(signer().issue(grant))

    for field in Grant.__struct_fields__:
        assert getattr(found, field) == getattr(grant, field)


def test_it_is_a_json_web_token_that_says_what_it_is_for():
    token = signer().issue(GRANT)

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "beacon+jwt"}
    assert jwt.decode(token, options={"verify_signature": False}) == CLAIMS


@pytest.mark.parametrize("profile", [None, UUID(int=7)])
def test_a_report_cannot_choose_another_member_of_the_household(profile):
    grant = Grant(sub=UUID(int=5), film_id=UUID(int=6), profile_id=profile)

    assert grant.identity.viewer.profile_id == (profile or UUID(int=5))


def test_it_ends_to_the_second():
    clock = ManualClock()
    token = signer(clock=clock).issue(GRANT)
    clock._now = 599.0
    assert signer(clock=clock).read(token).film_id == GRANT.film_id

    clock._now = 600.0
    assert "expired" in refused(token, signer(clock=clock))


def test_the_access_tokens_secret_does_not_verify_it():
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(signer().issue(GRANT), SECRET, algorithms=["HS256"], audience="ugc-beacons")


async def test_the_write_routes_refuse_it(api):
    ours = api.services.beacons.issue(GRANT)
    same_key = jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers={"typ": "beacon+jwt"})
    plain = jwt.encode(CLAIMS, SECRET, algorithm="HS256")

    for token in (ours, same_key, plain):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await api.client.post(api.one, json={"progress": 1, "total": 2}, headers=headers)
        assert answer.status_code == 401
    assert api.kept() == []


async def test_an_access_token_is_none(api):
    assert "signature" in refused(api.token(), api.services.beacons)
    assert "signature" in refused(api.token(**CLAIMS), api.services.beacons)
    header = {"typ": "beacon+jwt"}
    assert "signature" in refused(api.token(header=header, **CLAIMS), api.services.beacons)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "typ": "JWT"},
        {"alg": "none", "typ": "beacon+jwt"},
        {"alg": "HS512", "typ": "beacon+jwt"},
        {"typ": "beacon+jwt", "alg": "HS256"},
        {"alg": "HS256", "typ": "beacon+jwt", "crit": ["exp"]},
        {"alg": "HS256", "typ": "beacon+jwt", "kid": "../../dev/null"},
    ],
)
def test_another_header_is_refused_whatever_the_signature(header):
    assert "form" in refused(with_key_of(signer(), header, CLAIMS))


def test_another_secret_does_not_read_it():
    assert "signature" in refused(signer(OTHER_SECRET).issue(GRANT))


def test_the_signature_has_one_spelling():
    token = signer().issue(GRANT)
    last = token[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bits = alphabet[alphabet.index(last) ^ 1]  # the two lowest bits say nothing

    for other in (token + "=", token + "\n", " " + token, token[:-1] + same_bits, token + "."):
        refused(other)


@given(place=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_.=é\0"))
def test_a_letter_changed_anywhere_is_refused(place, letter):
    token = signer().issue(GRANT)
    place %= len(token)

    if token[place] != letter:
        refused(token[:place] + letter + token[place + 1 :])


@given(token=st.text() | st.lists(st.text(), min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused(token):
    refused(token)


def test_a_long_text_is_refused():
    refused("x." * 1_000_000)


def test_without_a_secret_of_its_own_the_key_comes_from_the_access_tokens_secret():
    clock = ManualClock()
    derived = make_beacon_tokens(AuthSection(secret=SECRET), clock)
    own = make_beacon_tokens(AuthSection(secret=SECRET, beacon_secret=OTHER_SECRET), clock)
    alone = make_beacon_tokens(AuthSection(beacon_secret=OTHER_SECRET), clock)

    assert derived
    assert own
    assert alone
    assert alone.read(own.issue(GRANT)).sub == GRANT.sub
    refused(own.issue(GRANT), derived)


def test_without_any_secret_there_are_none():
    assert make_beacon_tokens(AuthSection(), ManualClock()) is None


def test_a_short_secret_stops_the_start_and_is_not_shown():
    with pytest.raises(ConfigError, match="has 31 bytes and needs at least 32") as caught:
        make_beacon_tokens(AuthSection(beacon_secret="s" * 31), ManualClock())

    assert "sss" not in str(caught.value)
