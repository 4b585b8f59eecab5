"""Requests made from the OpenAPI document, with every check that Schemathesis has."""

from uuid import uuid4

from fuzz.running import fuzz

from tests.e2e.systems import Up
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock

EXAMPLES = 5
LEAST = 300


def test_every_answer_is_documented_typed_and_never_the_services_fault(up: Up):
    claims = Claims(user_id=uuid4(), roles=("analyst",))
    auth = AuthSection(secret=up.secret("token-secret"))
    token = mint(claims, auth, now_ms=SystemClock().wall_ms())

    run = fuzz(up.url, token, examples=EXAMPLES)

    assert run.code == 0, run.said
    assert run.requests >= LEAST
    assert {phase["status"] for phase in run.report["phases"].values()} == {"success"}
    assert "Traceback" not in up.err
