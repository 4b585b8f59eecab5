"""Whose token it is, and every token that proves nothing."""

import base64
import hmac
import json
from uuid import UUID

import jwt
import pytest

from ugc_core.api_settings import AuthSection

GOOD = {"progress": 1, "total": 2}
NOW = 1_767_225_600
SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "another-secret-of-more-than-32-bytes"


def unsigned(claims, algorithm="none", signature="", **header):
    """Return a token put together by hand."""
    parts = [json.dumps({"typ": "JWT", "alg": algorithm} | header)]
    parts.append(claims if isinstance(claims, str) else json.dumps(claims))
    return ".".join([*(base64url(part.encode()) for part in parts), signature])


def signed(claims, algorithm="HS256", **header):
    """Return a token with a good HMAC-SHA256 under a header of our own."""
    text = unsigned(claims, algorithm, **header).rstrip(".")
    return f"{text}.{base64url(hmac.digest(SECRET.encode(), text.encode(), 'sha256'))}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


CLAIMS = {"sub": "00000000-0000-0000-0000-000000000005", "exp": NOW + 3600}
REFUSED = {
    "expired": ({"exp": NOW - 11}, "expired"),
    "without exp": ({"exp": None}, "incomplete"),
    "exp is text": ({"exp": "never"}, "incomplete"),
    "exp is a truth value": ({"exp": True}, "incomplete"),
    "without sub": ({"sub": None}, "incomplete"),
    "sub is no UUID": ({"sub": "alice"}, "incomplete"),
    "sub is nil": ({"sub": str(UUID(int=0))}, "nil"),
    "profile_id is nil": ({"profile_id": str(UUID(int=0))}, "nil"),
    "profile_id is no UUID": ({"profile_id": "kids"}, "incomplete"),
    "not valid yet": ({"nbf": NOW + 11}, "not valid yet"),
    "made in the future": ({"iat": NOW + 11}, "not valid yet"),
    "a refresh token": ({"type": "refresh"}, "not an access token"),
    "a token for something else": ({"type": "beacon"}, "not an access token"),
    "another key": ({"secret": OTHER_SECRET}, "signature"),
    "a critical extension": ({"header": {"crit": ["exp"], "exp": 1}}, "extension"),
    "another type of token": ({"header": {"typ": "logout+jwt"}}, "another type"),
    "type of token is a number": ({"header": {"typ": 7}}, "another type"),
}


@pytest.mark.parametrize(("claims", "reason"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_proves_nothing_is_401(api, claims, reason):
    answer = await api.report(GOOD, **claims)

    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/invalid-token"
    assert reason in answer.json()["detail"]
    assert challenge.startswith('Bearer realm="ugc", error="invalid_token", error_description="')
    assert reason in challenge
    assert api.kept() == []


HAND_MADE = {
    "alg none": unsigned(CLAIMS),
    "alg None": unsigned(CLAIMS, "None"),
    "alg none with a signature": unsigned(CLAIMS, "none", "AAAA"),
    "alg is a list": unsigned(CLAIMS, ["HS256"], "AAAA"),
    "alg is missing": unsigned(CLAIMS, None, "AAAA"),
    "another algorithm's name over a good signature": signed(CLAIMS, "HS384"),
    "the algorithm in small letters": signed(CLAIMS, "hs256"),
    "a good signature and a critical extension": signed(CLAIMS, crit=["b64"], b64=True),
    "a good signature and an extension": signed(CLAIMS, b64=True),
    "a good signature over a list": signed([CLAIMS]),
    "a good signature over NaN": signed(CLAIMS | {"exp": float("nan")}),
    "a good signature over deep nesting": signed('{"x":' * 2000),
    "HS512": jwt.encode(CLAIMS, SECRET * 2, algorithm="HS512"),
    "empty": "",
    "garbage": "garbage",
    "dots": "..",
    "not base64": "a.b.c",
    "two tokens": "x y",
    "not ASCII": "\xe9.\xe9.\xe9",
    "long": "x" * 20_000,
}


@pytest.mark.parametrize("token", HAND_MADE.values(), ids=HAND_MADE.keys())
async def test_a_hand_made_token_is_401_and_never_repeated(api, token):
    headers = {"Authorization": f"Bearer {token}".encode("latin-1")}

    answer = await api.client.post(api.one, json=GOOD, headers=headers)

    assert answer.status_code == 401
    assert len(token) < 4 or token not in answer.text
    assert len(token) < 4 or token not in str(answer.headers)
    assert api.kept() == []


async def test_a_token_signed_by_hand_is_accepted_when_all_is_right(api):
    headers = {"Authorization": f"Bearer {signed(CLAIMS)}"}

    assert (await api.client.post(api.one, json=GOOD, headers=headers)).status_code == 202


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}])
async def test_without_a_bearer_token_the_challenge_names_no_error(api, headers):
    answer = await api.client.post(api.one, json=GOOD, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/missing-token"
    assert answer.headers["www-authenticate"] == 'Bearer realm="ugc"'


async def test_a_token_in_the_query_or_a_cookie_does_not_count(api):
    token = api.token()

    answer = await api.client.post(
        f"{api.one}?access_token={token}", json=GOOD, headers={"Cookie": f"access_token={token}"}
    )

    assert answer.status_code == 401


async def test_two_authorization_headers_are_refused(api):
    headers = [("Authorization", f"Bearer {api.token()}")] * 2

    answer = await api.client.post(api.one, json=GOOD, headers=headers)

    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["one", "many"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_route_of_the_api_asks_for_a_token(api, path, method):
    answer = await api.client.request(method, getattr(api, path))

    assert answer.status_code == 401


async def test_without_a_token_nothing_is_said_about_parameters(api):
    for path in (f"{api.many}?limit=0", "/api/v1/progresses/films/42/"):
        assert (await api.client.get(path)).status_code == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_scheme_is_not_case_sensitive(api, scheme):
    headers = {"Authorization": f"{scheme} {api.token()}"}

    assert (await api.client.post(api.one, json=GOOD, headers=headers)).status_code == 202


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 9},
        {"nbf": NOW + 9},
        {"iat": NOW + 9},
        {"exp": NOW + 0.5},
        {"type": "access"},
        {"header": {"typ": "at+jwt"}},
        {"aud": "somebody"},
        {"roles": ["analyst"], "jti": "1"},
    ],
)
async def test_leeway_and_harmless_claims_are_accepted(api, claims):
    assert (await api.report(GOOD, **claims)).status_code == 202


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"aud": "ugc", "iss": "auth"}, True),
        ({"aud": ["other", "ugc"], "iss": "auth"}, True),
        ({"aud": "other", "iss": "auth"}, False),
        ({"aud": [], "iss": "auth"}, False),
        ({"iss": "auth"}, False),
        ({"aud": "ugc"}, False),
        ({"aud": "ugc", "iss": "other"}, False),
        ({"aud": 7, "iss": "auth"}, False),
    ],
)
async def test_audience_and_issuer_are_checked_when_configured(make_api, claims, accepted):
    api = make_api(auth=AuthSection(secret=SECRET, audience="ugc", issuer="auth"))

    answer = await api.report(GOOD, **claims)

    assert answer.status_code == (202 if accepted else 401)


async def test_a_token_that_was_seen_ends_with_its_exp_and_leeway_all_the_same(api):
    token = api.token(exp=NOW + 60)
    headers = {"Authorization": f"Bearer {token}"}

    statuses = []
    for seconds in (0, 59, 10, 1):
        await api.clock.sleep(seconds)
        answer = await api.client.post(api.one, json=GOOD, headers=headers)
        statuses.append(answer.status_code)

    assert statuses == [202, 202, 202, 401]
