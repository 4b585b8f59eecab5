"""Tokens are known again, within bounds, and no longer than they count."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_api.auth.signers import (
    CLAIMS,
    NOW,
    header,
    issued,
    jwk,
    make_bearer,
    sign,
    verifier,
)
from ugc_api.auth.cache import Remembered
from ugc_api.auth.refusals import refuse
from ugc_api.auth.tokens import TokenVerifier
from ugc_api.problems.problem import ProblemError
from ugc_core.clock import ManualClock


class Counting(TokenVerifier):
    """Counts how often a token is looked at."""

    looks = 0

    def verify(self, token, now_ms):
        self.looks += 1
        return super().verify(token, now_ms)


@pytest.fixture
def counting():
    checked = verifier(jwk("ES256", "a"))
    checked.__class__ = Counting
    assert isinstance(checked, Counting)
    return checked


def refused(bearer, value):
    with pytest.raises(ProblemError) as caught:
        bearer.identify(value)
    return caught.value


def test_a_token_is_verified_once_and_its_owner_is_the_same_object(counting, clock):
    bearer = make_bearer(counting, clock)
    token = header(issued("ES256", "a"))

    found = {id(bearer.identify(bytes(bytearray(token)))) for _ in range(5)}

    assert (len(found), counting.looks) == (1, 1)
    assert (bearer.counts.hits, bearer.counts.misses) == (4, 1)


def test_other_spellings_of_the_scheme_share_the_entry(counting, clock):
    bearer = make_bearer(counting, clock)
    token = sign(CLAIMS)
    for scheme in (b"Bearer ", b"bearer ", b"BEARER  ", b"Bearer \t"):
        bearer.identify(scheme + token + b" ")

    assert counting.looks == 1
    assert len(bearer._known) == 1


async def test_a_token_is_known_until_its_exp_and_lives_on_leeway_after_it(counting, clock):
    bearer = make_bearer(counting, clock)
    token = header(sign(CLAIMS | {"exp": NOW + 60}))
    looks = []
    for seconds in (0, 59.9, 0.1, 9.8):
        await clock.sleep(seconds)
        bearer.identify(token)
        looks.append(counting.looks)

    assert looks == [1, 1, 2, 3]
    await clock.sleep(0.2)
    assert refused(bearer, token).problem.detail == "the token has expired"


def test_the_tokens_that_are_remembered_are_bounded(counting, clock):
    bearer = make_bearer(counting, clock, remembered=3)
    tokens = [header(sign(CLAIMS | {"jti": n})) for n in range(10)]

    for token in tokens * 2:
        bearer.identify(token)

    assert list(bearer._known) == tokens[-3:]


async def test_a_bad_token_is_remembered_for_a_moment(counting, clock):
    bearer = make_bearer(counting, clock)
    token = header(sign(CLAIMS, key=b"another secret"))
    looks = []
    for seconds in (0, 0, 0.9, 0.1):
        await clock.sleep(seconds)
        refused(bearer, token)
        looks.append(counting.looks)

    assert looks == [1, 1, 1, 2]
    assert bearer.counts.failures == {"signature": 4}


async def test_a_token_that_begins_later_is_accepted_within_a_second_of_its_time(counting, clock):
    bearer = make_bearer(counting, clock)
    token = header(sign(CLAIMS | {"nbf": NOW + 11}))

    refused(bearer, token)
    await clock.sleep(1)

    bearer.identify(token)


def test_different_bad_tokens_are_remembered_within_bounds(counting, clock):
    bearer = make_bearer(counting, clock)
    for number in range(3000):
        refused(bearer, b"Bearer %d" % number)

    assert len(bearer._refused.entries) == 1000
    assert not bearer._known


def test_a_refusal_holds_nothing_of_the_request_that_met_it(counting, clock):
    """A remembered error would hold its frames, and these the request's body."""

    class Body:
        pass

    def ask(body):
        try:
            bearer.identify(b"Bearer x")
        except ProblemError:
            return weakref.ref(body)
        raise AssertionError

    bearer = make_bearer(counting, clock)
    gc.disable()
    try:
        gone = ask(Body())
    finally:
        gc.enable()
    assert gone() is None


@pytest.mark.parametrize("value", [None, b"", b"Basic eDp5", b"Token x", b"bearerx", b"\xff"])
def test_without_a_bearer_token_the_challenge_names_no_error(counting, clock, value):
    error = refused(make_bearer(counting, clock), value)

    assert error.problem.type == "/problems/missing-token"
    assert error.headers == {"WWW-Authenticate": 'Bearer realm="ugc"'}


@pytest.mark.parametrize(
    "value", [b"Bearer", b"Bearer ", b"Bearer x", b"Bearer a b", b"bearer \xff"]
)
def test_a_bearer_token_that_is_none_is_invalid(counting, clock, value):
    error = refused(make_bearer(counting, clock), value)

    assert error.problem.type == "/problems/invalid-token"
    assert error.headers["WWW-Authenticate"].startswith('Bearer realm="ugc", error="invalid_token"')


async def test_failures_are_counted_by_reason_in_the_metrics(api):
    await api.report({"progress": 1, "total": 2})
    await api.report({"progress": 1, "total": 2})
    await api.report({"progress": 1, "total": 2}, exp=5)
    await api.client.post(api.one)

    text = (await api.client.get("/metrics")).text

    assert 'ugc_api_auth_failures_total{reason="expired"} 1.0' in text
    assert 'ugc_api_auth_failures_total{reason="missing"} 1.0' in text
    assert 'ugc_api_token_cache_total{result="hit"} 1.0' in text
    assert 'ugc_api_token_cache_total{result="miss"} 2.0' in text


@given(
    most=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(["keep", "drop"]), st.binary(max_size=3000))),
)
def test_what_is_remembered_never_exceeds_its_bounds_and_is_counted_right(most, steps):
    remembered: Remembered[int] = Remembered(most)
    for number, (what, name) in enumerate(steps):
        if what == "keep":
            remembered.keep(name, number)
        else:
            remembered.drop(name)
        held = sum(len(each or b"") for each in remembered.entries)
        assert len(remembered.entries) <= most
        assert held == remembered._bytes <= most * 1024


def test_refusing_needs_a_reason():
    with pytest.raises(Exception, match="why") as caught:
        refuse("form", "why")

    assert vars(caught.value) == {"slug": "form", "reason": "why"}


def test_the_clock_is_asked_once_for_a_known_token(counting):
    class Asked(ManualClock):
        asked = 0

        def wall_ms(self):
            self.asked += 1
            return super().wall_ms()

    clock = Asked()
    bearer = make_bearer(counting, clock)
    bearer.identify(header(sign(CLAIMS)))
    before = clock.asked
    bearer.identify(header(sign(CLAIMS)))

    assert clock.asked == before + 1
