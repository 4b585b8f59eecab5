"""The application in this process: over a log in memory, a warehouse that answers by script."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from fastapi import FastAPI

from ugc_api.app import create_app
from ugc_api.auth.beacon_tokens import make_beacon_tokens
from ugc_api.auth.bearer import Bearer
from ugc_api.auth.counts import AuthCounts
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import HS256
from ugc_api.auth.secret import secret_key
from ugc_api.auth.tokens import TokenVerifier
from ugc_api.intake.intake import Intake
from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.limiter import Limiter
from ugc_api.limiting.wire import Wire
from ugc_api.operating.health import Health
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.token_counts import follow_tokens
from ugc_api.reading.audiences import Audiences
from ugc_api.reading.resume import ResumePoints
from ugc_api.services import Services
from ugc_core.acceptance import Window
from ugc_core.adapters.memory_log import MemoryLog, MemoryLogAdmin, MemoryLogWriter
from ugc_core.api_settings import ApiSection, AuthSection, LimitsSection
from ugc_core.clock import ManualClock
from ugc_core.codec import decode_lines
from ugc_core.errors import LogDamagedError
from ugc_core.events import Event
from ugc_core.log import LogWriter, Topic
from ugc_core.warehouse import Answer

SECRET = "0123456789abcdef0123456789abcdef"
TOPIC = "views"
USER = UUID(int=5)
FILM = UUID("0b39f7d6-66fd-4c09-9c7a-2f1f2a3d8f51")
ONE = f"/api/v1/progresses/films/{FILM}/"
MANY = "/api/v1/progresses/"


class ScriptedWarehouse:
    """Answers every read with the same rows, or the same error, and remembers what was asked."""

    def __init__(self, rows: Sequence[tuple[object, ...]] = ()) -> None:
        self.rows = rows
        self.error: Exception | None = None
        self.asked: list[Mapping[str, object]] = []

    async def read(self, sql, parameters=None, *, settings=None) -> Answer:
        self.asked.append(parameters or {})
        if self.error is not None:
            raise self.error
        return Answer(names=(), types=(), rows=self.rows)

    async def execute(self, sql, *, settings=None) -> None:
        raise NotImplementedError

    async def insert(self, table, columns, *, settings) -> None:
        raise NotImplementedError


class FailingLog:
    """Answers every append with the same error, or a new one of a type; nothing is kept."""

    def __init__(self, error: Exception | type[Exception]) -> None:
        self.error = error

    async def append(self, key, lines, *, headers=()):
        raise self.error


class GatedLog(MemoryLogWriter):
    """Appends only once the gate is open, so that a test can look at a request under way."""

    def __init__(self, log: MemoryLog, topic: str) -> None:
        super().__init__(log, topic)
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def append(self, key, lines, *, headers=()):
        self.reached.set()
        await self.gate.wait()
        return await super().append(key, lines, headers=headers)


@dataclass(kw_only=True)
class Api:
    """The application, what it writes to, and a client of it."""

    clock: ManualClock
    log: MemoryLog
    warehouse: ScriptedWarehouse
    services: Services
    damage: list[LogDamagedError]
    film: UUID = FILM
    user: UUID = USER
    one: str = ONE
    many: str = MANY
    app: Any = None
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(self.services)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://test"
        )

    @property
    def framework(self) -> Any:
        """The part of the application that is FastAPI's."""
        found = self.app
        while not isinstance(found, FastAPI):
            found = found.app
        return found

    def token(self, secret: str = SECRET, header: dict[str, Any] | None = None, **claims: Any):
        """Return a token of `USER`; a claim given as None is left out."""
        every = {"sub": str(USER), "exp": self.clock.wall_ms() // 1000 + 3600} | claims
        kept = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(kept, secret, algorithm="HS256", headers=header)

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    async def report(self, body: Any, path: str = ONE, **claims: Any) -> httpx.Response:
        """Send JSON, or bytes as they are, with a good token."""
        headers = {"Content-Type": "application/json"} | self.bearer(**claims)
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.post(path, headers=headers, **sent)

    async def get(self, path: str, **claims: Any) -> httpx.Response:
        return await self.client.get(path, headers=self.bearer(**claims))

    def kept(self) -> list[Event]:
        """Return every event in the log."""
        found = [
            event
            for records in self.log.records.values()
            for record in records
            for event in decode_lines(record.value, record.headers)
        ]
        assert all(isinstance(event, Event) for event in found)
        return [event for event in found if isinstance(event, Event)]

    def metric(self, name: str, **labels: str) -> float:
        return self.services.metrics.registry.get_sample_value(name, labels) or 0.0


MakeApi = Callable[..., Api]


@pytest.fixture
def make_api(clock: ManualClock) -> MakeApi:
    """Build the application; `writer` gets the log and replaces the memory log's own."""

    def make(
        *,
        writer: Callable[[MemoryLog], LogWriter] = lambda log: MemoryLogWriter(log, TOPIC),
        settings: ApiSection | None = None,
        auth: AuthSection | None = None,
        limits: LimitsSection | None = None,
    ) -> Api:
        return build(clock, writer=writer, settings=settings, auth=auth, limits=limits)

    return make


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    return make_api()


def build(
    clock: ManualClock,
    *,
    writer: Callable[[MemoryLog], LogWriter],
    settings: ApiSection | None,
    auth: AuthSection | None,
    limits: LimitsSection | None,
) -> Api:
    topic = Topic(name=TOPIC, partitions=4, retention_ms=1)
    log = MemoryLog(clock=clock, topics={TOPIC: topic})
    warehouse, metrics = ScriptedWarehouse(), ApiMetrics()
    damage: list[LogDamagedError] = []
    bearer = build_bearer(auth or AuthSection(secret=SECRET), clock)
    follow_tokens(metrics, bearer.counts)
    limits = limits or LimitsSection()
    addresses = Addresses(limits.trusted_proxies)
    limiter = Limiter(limits, addresses=addresses, metrics=metrics, clock=clock)
    health = Health(
        admin=MemoryLogAdmin(log),
        warehouse=warehouse,
        topic=TOPIC,
        clock=clock,
        on_damage=damage.append,
    )
    services = Services(
        settings=settings or ApiSection(docs_password="open sesame"),
        bearer=bearer,
        limiter=limiter,
        wire=Wire(limits, body_timeout_s=10, addresses=addresses, metrics=metrics, clock=clock),
        intake=Intake(
            writer=writer(log),
            clock=clock,
            window=Window(),
            limiter=limiter,
            metrics=metrics,
            health=health,
        ),
        resume_points=ResumePoints(warehouse=warehouse),
        audiences=Audiences(warehouse=warehouse, clock=clock, fresh_s=10, timeout_s=20),
        health=health,
        metrics=metrics,
        clock=clock,
        beacons=make_beacon_tokens(auth or AuthSection(secret=SECRET), clock),
    )
    return Api(clock=clock, log=log, warehouse=warehouse, services=services, damage=damage)


def build_bearer(section: AuthSection, clock: ManualClock) -> Bearer:
    verifier = TokenVerifier(
        Keyring(secret_key(section)), rules=section, algorithms=frozenset({HS256})
    )
    return Bearer(verifier, clock, remembered=100, counts=AuthCounts())


@pytest.fixture
def failing_log() -> type[FailingLog]:
    return FailingLog


@pytest.fixture
def gated_log() -> Callable[[MemoryLog], GatedLog]:
    return lambda log: GatedLog(log, TOPIC)
