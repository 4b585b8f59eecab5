"""The issuer rotates its keys, revokes one and goes down, while players go on reporting."""

import asyncio
import time
from uuid import UUID

import httpx
import pytest

from tests.integration.api_processes import ONE, PATIENCE_S, ApiProcess, free_port, report
from tests.unit.ugc_api.auth.issuers import JwksServer
from tests.unit.ugc_api.auth.signers import jwk, jwks, private, sign

OLD, NEW = jwk("RS256", "old", 1, alg="RS256"), jwk("ES256", "new", 2)


def token(kind: str, kid: str, number: int, user: int = 5) -> dict[str, str]:
    claims = {"sub": str(UUID(int=user)), "exp": time.time() + 3600}
    signed = sign(claims, kind, private(kind, number), kid=kid)
    return {"Authorization": f"Bearer {signed.decode()}"}


def of_old(user: int = 5) -> dict[str, str]:
    return token("RS256", "old", 1, user)


def of_new(user: int = 5) -> dict[str, str]:
    return token("ES256", "new", 2, user)


class Player:
    """Reports without a pause, and remembers how it was answered."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.statuses: list[int] = []
        self._client = client
        self._headers = headers

    async def play(self) -> None:
        while True:
            answer = await self._client.post(ONE, json=report(), headers=self._headers)
            self.statuses.append(answer.status_code)

    async def reports(self, many: int) -> None:
        """Wait for so many more answers."""
        until = len(self.statuses) + many
        while len(self.statuses) < until:  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(0.01)


def process(folder, url: str) -> ApiProcess:
    service = ApiProcess(folder, UGC_AUTH__JWKS_URL=url, UGC_AUTH__JWKS_REFRESH_S="0.2")
    del service.environ["UGC_AUTH__SECRET_FILE"]
    return service


async def answered(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """Ask until the answer has this status."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await client.post(ONE, json=report(), headers=headers)
            if answer.status_code == status:
                return
            await asyncio.sleep(0.05)


async def checks(client: httpx.AsyncClient) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = (await client.get("/readyz?verbose")).json()["checks"]
    return found


@pytest.mark.usefixtures("log")
async def test_reports_go_on_while_keys_are_rotated_and_their_issuer_is_down(tmp_path):
    issuer = JwksServer(jwks(OLD))
    with issuer.running(), process(tmp_path, issuer.url).running() as service:
        async with service.client() as client, asyncio.timeout(PATIENCE_S):
            del client.headers["authorization"]
            player = Player(client, of_old())
            playing = asyncio.create_task(player.play())
            await player.reports(20)

            issuer.body = jwks(OLD, NEW)
            await answered(client, of_new(), 202)
            issuer.status, issuer.body = 503, b"down"
            await player.reports(50)
            assert "the known keys are kept" in (await checks(client))["keys"]["detail"]
            assert (await client.get("/readyz")).status_code == 200
            fresh = [(await client.post(ONE, json=report(), headers=of_old(9))).status_code]
            fresh += [(await client.post(ONE, json=report(), headers=of_new(9))).status_code]
            assert fresh == [202, 202]
            assert set(player.statuses) == {202}

            issuer.status, issuer.body = 200, jwks(NEW)
            await answered(client, of_old(), 401)
            assert (await client.post(ONE, json=report(), headers=of_new())).status_code == 202
            assert (await checks(client))["keys"] == {"status": "ok"}
            playing.cancel()
        service.process.terminate()
        assert service.end() == 0
    assert "cannot be read" in service.said()
    assert "eyJ" not in service.said()


@pytest.mark.usefixtures("log")
async def test_an_instance_starts_without_its_issuer_and_is_ready_once_keys_are_here(tmp_path):
    port = free_port()
    with process(tmp_path, f"http://127.0.0.1:{port}/keys").running() as service:
        async with service.client() as client, asyncio.timeout(PATIENCE_S):
            answer = await client.post(ONE, json=report(), headers=of_new())
            assert answer.status_code == 503
            assert answer.json()["type"] == "/problems/keys-unavailable"
            assert answer.headers["retry-after"] == "1"
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/livez")).status_code == 200

            with JwksServer(jwks(NEW), port=port).running():
                await answered(client, of_new(), 202)
                assert (await client.get("/readyz")).status_code == 200


def test_a_file_without_keys_is_bad_configuration(tmp_path):
    (tmp_path / "jwks.json").write_bytes(b"{}")
    service = ApiProcess(tmp_path, UGC_AUTH__JWKS_FILE="jwks.json")

    ended = service.run()

    assert ended.returncode == 5
    assert "auth.jwks_file: no keys" in ended.stderr
