"""Keys that come, go and cannot be read, while tokens are verified."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.unit.ugc_api.auth.signers import CLAIMS, header, issued, jwk, jwks, make_bearer, sign
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import ALGORITHMS, PUBLIC
from ugc_api.auth.ports import KeySourceError
from ugc_api.auth.refresher import KeyRefresher
from ugc_api.auth.secret import secret_key
from ugc_api.auth.tokens import TokenVerifier
from ugc_api.problems.problem import ProblemError
from ugc_core.api_settings import AuthSection

SECTION = AuthSection(secret="0123456789abcdef0123456789abcdef")


class Issuer:
    """Publishes what a test says, and counts who asks."""

    where = "the issuer"

    def __init__(self, *keys) -> None:
        self.document = jwks(*keys)
        self.error: Exception | None = None
        self.asked = 0
        self.answering = asyncio.Event()
        self.answering.set()
        self.reached = asyncio.Event()

    def publish(self, *keys) -> None:
        self.document = jwks(*keys)
        self.error = None

    async def fetch(self) -> bytes:
        self.asked += 1
        self.reached.set()
        await self.answering.wait()
        if self.error is not None:
            raise self.error
        return self.document


class Scene:
    """An issuer, the refresher that reads it, and who is asked for identities."""

    def __init__(self, clock, *keys, period_s: float = 3600) -> None:
        self.clock = clock
        self.issuer = Issuer(*keys)
        ring = Keyring(secret_key(SECTION))
        self.refresher = KeyRefresher(
            self.issuer, ring, algorithms=PUBLIC, period_s=period_s, clock=clock
        )
        checked = TokenVerifier(ring, rules=SECTION, algorithms=ALGORITHMS, ask=self.refresher.ask)
        self.bearer = make_bearer(checked, clock)

    def status(self, token: bytes) -> int:
        try:
            self.bearer.identify(header(token))
        except ProblemError as error:
            return error.problem.status
        return 200


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - lets the refresher run
            await asyncio.sleep(0)


@pytest.fixture
def scene(clock):
    return lambda *keys, **more: Scene(clock, *keys, **more)


OLD, NEW = jwk("ES256", "old", 1), jwk("ES256", "new", 2)
OF_OLD, OF_NEW = issued("ES256", "old", 1), issued("ES256", "new", 2)


async def test_before_the_first_keys_a_token_is_503_and_after_them_it_counts(scene):
    at = scene(OLD)

    assert at.status(OF_OLD) == 503
    assert at.status(sign(CLAIMS)) == 200
    assert not at.refresher.present
    await at.refresher.refresh()
    assert at.status(OF_OLD) == 200
    assert at.refresher.present
    assert at.refresher.trouble == ""


async def test_503_says_when_to_come_again(scene):
    with pytest.raises(ProblemError) as caught:
        scene().bearer.identify(header(OF_OLD))

    assert caught.value.problem.type == "/problems/keys-unavailable"
    assert caught.value.headers["Retry-After"] == "1"


async def test_keys_are_rotated_without_a_gap(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    at.issuer.publish(OLD, NEW)
    await at.refresher.refresh()

    assert (at.status(OF_OLD), at.status(OF_NEW)) == (200, 200)
    at.issuer.publish(NEW)
    await at.refresher.refresh()
    assert at.status(OF_NEW) == 200
    assert at.status(OF_OLD) != 200


async def test_a_key_that_is_removed_takes_the_tokens_that_it_verified_along(scene):
    at = scene(OLD, NEW)
    await at.refresher.refresh()
    assert (at.status(OF_OLD), at.status(OF_NEW), at.status(sign(CLAIMS))) == (200, 200, 200)
    assert len(at.bearer._known) == 3

    at.issuer.publish(NEW)
    await at.refresher.refresh()

    assert {found.key.kid for found in at.bearer._known.values()} == {"new", None}
    assert [at.status(OF_OLD) for _ in range(2)] == [503, 503]  # asked once: it may come back
    await at.refresher.refresh()
    assert at.status(OF_OLD) == 401


async def test_a_key_that_is_replaced_under_its_name_is_another_key(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    assert at.status(OF_OLD) == 200

    at.issuer.publish(jwk("ES256", "old", 2))
    await at.refresher.refresh()

    assert at.status(OF_OLD) == 401
    assert at.status(issued("ES256", "old", 2)) == 200


async def test_an_empty_set_revokes_every_key_but_the_secret(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    at.status(OF_OLD)

    at.issuer.publish()
    await at.refresher.refresh()

    assert not at.refresher.present
    assert at.status(OF_OLD) != 200
    assert at.status(sign(CLAIMS)) == 200


@pytest.mark.parametrize("document", [b"", b"<html>gateway</html>", b'{"keys": null}'])
async def test_an_outage_keeps_the_keys_for_as_long_as_it_lasts(scene, document):
    at = scene(OLD)
    await at.refresher.refresh()

    at.issuer.document = document
    for _ in range(50):
        await at.clock.sleep(60)
        await at.refresher.refresh()

    assert at.status(OF_OLD) == 200
    assert at.status(issued("ES256", "old", 1, jti="fresh")) == 200
    assert at.refresher.trouble == "the answer is not a JSON Web Key Set"
    assert at.status(OF_NEW) == 503  # nobody can tell now
    at.issuer.publish(NEW)
    await at.refresher.refresh()
    assert (at.status(OF_NEW), at.refresher.trouble) == (200, "")


async def test_an_outage_is_said_once_and_so_is_its_end(scene):
    at = scene(OLD)
    with capture_logs() as lines:
        await at.refresher.refresh()
        at.issuer.error = KeySourceError("no answer within 5 s")
        for _ in range(5):
            await at.refresher.refresh()
        at.issuer.publish(OLD)
        for _ in range(2):
            await at.refresher.refresh()

    assert [line["event"] for line in lines] == [
        "the keys of tokens cannot be read",
        "the keys of tokens can be read again",
    ]
    assert lines[0]["reason"] == "no answer within 5 s"
    assert lines[0]["keys_kept"] == 1


async def test_a_key_that_is_not_used_is_said_once(scene):
    at = scene(OLD, {"kty": "oct", "k": "c2VjcmV0", "kid": "bad"})
    with capture_logs() as lines:
        for _ in range(3):
            await at.refresher.refresh()

    [line] = lines
    assert line["keys"] == ["'bad': it is a secret, and whoever can read this document has it"]
    assert "c2VjcmV0" not in str(line)
    assert at.status(OF_OLD) == 200


async def test_a_bug_in_reading_ends_neither_the_keys_nor_the_reading(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    at.issuer.error = ZeroDivisionError()
    with capture_logs():
        await at.refresher.refresh()

    assert at.status(OF_OLD) == 200
    at.issuer.publish(NEW)
    await at.refresher.refresh()
    assert at.status(OF_NEW) == 200


async def test_a_flood_of_unknown_kids_asks_once_in_half_a_minute(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    running = asyncio.create_task(at.refresher.run())
    try:
        for second, asked in ((0, 2), (1, 2), (28.9, 2), (0.2, 3)):
            await at.clock.sleep(second)
            for number in range(50):
                assert at.status(issued("ES256", f"{second}-{number}", 1)) in {401, 503}
                await asyncio.sleep(0)
            await until(lambda asked=asked: at.issuer.asked >= asked)
            assert at.issuer.asked == asked
        assert at.status(issued("ES256", "none", 1)) == 401
        assert at.status(OF_OLD) == 200
    finally:
        running.cancel()


async def test_an_unknown_kid_has_a_rotated_key_read_at_once(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    at.issuer.publish(NEW)
    running = asyncio.create_task(at.refresher.run())
    try:
        assert at.status(OF_NEW) == 503
        await until(lambda: at.status(OF_NEW) != 503)
        assert at.status(OF_NEW) == 200
    finally:
        running.cancel()


async def test_while_the_issuer_is_slow_no_request_waits(scene):
    at = scene(OLD)
    await at.refresher.refresh()
    at.issuer.answering.clear()
    at.issuer.reached.clear()
    running = asyncio.create_task(at.refresher.run())
    try:
        assert at.status(OF_NEW) == 503
        async with asyncio.timeout(5):
            await at.issuer.reached.wait()
        assert [at.status(OF_NEW), at.status(OF_OLD)] == [503, 200]
    finally:
        running.cancel()


async def test_the_set_is_read_on_its_period(scene):
    at = scene(OLD, period_s=0.001)
    running = asyncio.create_task(at.refresher.run())
    try:
        await until(lambda: at.issuer.asked >= 5)
    finally:
        running.cancel()


async def test_a_refused_token_is_judged_anew_when_keys_change(scene):
    at = scene(jwk("ES256", "new", 3))
    await at.refresher.refresh()
    assert at.status(OF_NEW) == 401

    at.issuer.publish(NEW)
    await at.refresher.refresh()

    assert at.status(OF_NEW) == 200
