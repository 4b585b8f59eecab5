"""What the doctor thinks of the secret and the public keys of tokens."""

import socket

import pytest

from tests.unit.ugc_api.auth.signers import jwk, jwks
from ugc_cli.diagnosis import Patient, Verdict, examine
from ugc_cli.diagnosis_settings import checks
from ugc_core.api_settings import AuthSection
from ugc_core.clock import ManualClock
from ugc_core.settings import Settings

BAD = {"kty": "oct", "k": "AAAA", "kid": "bad"}


async def found(**auth):
    """Return (check, verdict, why) of each diagnosis of the settings."""
    settings = Settings(auth=AuthSection(**auth))
    patient = Patient(
        settings=settings, api="http://x", embedded=False, clock=ManualClock(), watched_s=5
    )
    return [(one.check, one.verdict, one.why) for one in await examine(checks(patient))]


async def test_a_short_secret_is_warned_of():
    [(check, verdict, why)] = await found(secret="x" * 31)

    assert (check, verdict) == ("secrets", Verdict.WARN)
    assert "has 31 bytes" in why
    [(_, verdict, _)] = await found(secret="x" * 32)
    assert verdict is Verdict.OK


@pytest.mark.parametrize(
    ("keys", "verdict", "why"),
    [
        ([jwk("ES256")], Verdict.OK, "1 key to verify tokens with"),
        ([jwk("ES256"), BAD], Verdict.WARN, "not used: 'bad': it is a secret"),
        ([BAD], Verdict.FAIL, "0 keys"),
        ([], Verdict.FAIL, "0 keys"),
    ],
)
async def test_the_keys_are_read_as_the_api_reads_them(tmp_path, keys, verdict, why):
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(*keys))

    [_, (check, judged, said)] = await found(jwks_file=path)

    assert (check, judged) == ("keys", verdict)
    assert why in said


async def test_an_issuer_that_is_down_is_unreachable_and_a_url_that_is_none_fails():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert (await found(jwks_url=url))[1] == (
            "keys",
            Verdict.UNREACHABLE,
            "no answer: ConnectError",
        )

    assert (await found(jwks_url="http://a.example/"))[1][1] is Verdict.FAIL
