"""What a token has to say, under signatures that are right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_api.auth.signers import CLAIMS, NOW, USER, issued, jwk, refusal, sign, verifier

CHECKED = verifier()
TEXTS = {"NaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "-" + "9" * 400}


def claimed(**claims):
    kept = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return refusal(CHECKED, sign(kept))


@pytest.mark.parametrize(
    "exp", ["1999999999", True, [NOW + 60], {}, "", 1e300, 253_402_300_800, None]
)
def test_exp_has_to_be_a_time(exp):
    assert claimed(exp=exp) == "claims"


@pytest.mark.parametrize("text", sorted(TEXTS))
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_number_that_is_none_is_refused(name, text):
    others = json.dumps({key: value for key, value in CLAIMS.items() if key != name})
    token = sign(f'{others[:-1]}, "{name}": {text}}}')

    assert refusal(CHECKED, token) in {"form", "claims"}


@pytest.mark.parametrize(
    ("claims", "slug"),
    [
        ({"exp": NOW - 10}, "expired"),
        ({"exp": NOW - 9.5}, ""),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "expired"),
        ({"nbf": NOW + 10.5}, "not-yet"),
        ({"nbf": NOW + 10}, ""),
        ({"iat": NOW + 10.5}, "not-yet"),
        ({"type": "refresh"}, "not-access"),
        ({"type": ""}, "not-access"),
        ({"type": 5}, "claims"),
        ({"type": "access"}, ""),
        ({"sub": "00000000-0000-0000-0000-000000000000"}, "claims"),
        ({"sub": USER.replace("-", "")}, ""),
        ({"sub": 5}, "claims"),
    ],
)
def test_each_claim_is_judged(claims, slug):
    assert claimed(**claims) == slug


@pytest.mark.parametrize(
    ("aud", "slug"),
    [
        ("ugc", ""),
        (["ugc"], ""),
        (["other", "ugc"], ""),
        (["other"], "audience"),
        ([], "audience"),
        ("", "audience"),
        ("ugc ", "audience"),
        (["u", "g", "c"], "audience"),
        ([["ugc"]], "claims"),
        ({"ugc": 1}, "claims"),
        ([None, "ugc"], "claims"),
    ],
)
def test_the_audience_may_be_one_or_a_list_and_is_compared_whole(aud, slug):
    checked = verifier(audience="ugc")

    assert refusal(checked, sign(CLAIMS | {"aud": aud})) == slug


@pytest.mark.parametrize(("iss", "slug"), [("auth", ""), ("auth/", "issuer"), (["auth"], "claims")])
def test_the_issuer_is_compared_whole(iss, slug):
    assert refusal(verifier(issuer="auth"), sign(CLAIMS | {"iss": iss})) == slug


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        (["analyst", "support"], {"analyst", "support"}),
        ("analyst support", {"analyst", "support"}),
        ("  analyst\t", {"analyst"}),
        ([], set()),
        ("", set()),
        (["two words"], {"two words"}),
    ],
)
def test_roles_are_a_list_or_words_in_one_string(roles, found):
    verified = CHECKED.verify(sign(CLAIMS | {"roles": roles}), NOW * 1000)

    assert verified.identity.roles == found


@pytest.mark.parametrize(
    "roles",
    [
        7,
        None,
        {"analyst": True},
        [["analyst"]],
        [7],
        [None],
        ["r"] * 65,
        "r " * 65,
        ["r" * 201],
        [""],
    ],
)
def test_roles_of_another_form_or_without_bounds_are_refused(roles):
    assert refusal(CHECKED, sign(CLAIMS | {"roles": roles})) == "claims"


def test_the_owners_key_in_the_log_comes_with_the_identity():
    verified = CHECKED.verify(sign(CLAIMS | {"sub": USER.upper()}), NOW * 1000)

    assert verified.identity.log_key == USER.encode()


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_types_of_access_tokens_are_taken(typ):
    assert refusal(CHECKED, sign(CLAIMS, typ=typ)) == ""


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", "JWE", "", 7, ["JWT"], {}])
def test_another_type_of_token_is_refused(typ):
    assert refusal(CHECKED, sign(CLAIMS, typ=typ)) == "type"


def test_a_token_has_a_longest_length():
    assert refusal(CHECKED, sign(CLAIMS | {"x": "x" * 5900})) == ""
    assert refusal(CHECKED, sign(CLAIMS | {"x": "x" * 6200})) == "form"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    name=st.sampled_from(["sub", "exp", "nbf", "aud", "type", "profile_id", "roles"]), value=JSON
)
def test_no_value_of_a_claim_makes_verifying_fail_in_another_way(name, value):
    token = sign(CLAIMS | {name: value})

    assert refusal(CHECKED, token) in {"", "form", "claims", "expired", "not-yet", "not-access"}


def test_claims_are_judged_after_the_signature_alone():
    token = issued("ES256", "a", number=1, exp="never")

    assert refusal(verifier(jwk("ES256", "a")), token) == "signature"
