"""Development tokens say what was asked for, and the API's own verifier takes them."""

from uuid import UUID

import jwt
import pytest

from ugc_api.auth.identity import Identity
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import HS256
from ugc_api.auth.refusals import TokenRefusedError
from ugc_api.auth.secret import secret_key
from ugc_api.auth.tokens import TokenVerifier
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import ManualClock

USER, PROFILE = UUID(int=5), UUID(int=6)
AUTH = AuthSection(secret="0123456789abcdef0123456789abcdef")


def verified(token: str, auth: AuthSection, now_ms: int) -> Identity:
    keys = Keyring(secret_key(auth))
    verifier = TokenVerifier(keys, rules=auth, algorithms=frozenset({HS256}))
    return verifier.verify(token.encode(), now_ms).identity


def claims_of(token: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_a_token_says_who_and_until_when():
    token = mint(Claims(user_id=USER, ttl_s=60), AUTH, now_ms=1_000_999)

    assert claims_of(token) == {"sub": str(USER), "iat": 1000, "exp": 1060, "type": "access"}
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def test_a_token_has_the_profile_roles_audience_and_issuer_that_are_set():
    auth = AuthSection(secret=AUTH.secret, audience="ugc", issuer="cinema")

    found = claims_of(
        mint(Claims(user_id=USER, profile_id=PROFILE, roles=("analyst",)), auth, now_ms=0)
    )

    assert found["profile_id"] == str(PROFILE)
    assert (found["roles"], found["aud"], found["iss"]) == (["analyst"], "ugc", "cinema")


@pytest.mark.parametrize(
    "auth",
    [AUTH, AuthSection(secret=AUTH.secret, audience="ugc", issuer="cinema")],
    ids=["plain", "with audience"],
)
def test_the_api_takes_it_until_it_ends(auth):
    clock = ManualClock()
    token = mint(Claims(user_id=USER, profile_id=PROFILE, ttl_s=60), auth, now_ms=clock.wall_ms())

    viewer = verified(token, auth, clock.wall_ms()).viewer

    assert (viewer.user_id, viewer.profile_id) == (USER, PROFILE)
    with pytest.raises(TokenRefusedError, match="expired"):
        verified(token, auth, clock.wall_ms() + 60_000 + auth.leeway_s * 1000)


def test_a_token_of_another_secret_is_refused():
    clock = ManualClock()
    token = mint(Claims(user_id=USER), AUTH, now_ms=clock.wall_ms())

    with pytest.raises(TokenRefusedError):
        verified(token, AuthSection(secret="f" * 32), clock.wall_ms())
