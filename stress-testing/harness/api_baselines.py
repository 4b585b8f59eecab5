"""What ugc-api is compared with: the same reports taken in by less, or by the plain way.

`python -m harness.api_baselines noop` answers 202 and does nothing; `bare` sends each body to
Kafka and waits for it, one endpoint without a framework, a check or a token; `fastapi` is how
most people would write the service: a Pydantic model, a dependency for the token, and
`send_and_wait`. All of them on uvicorn with the settings of ugc-api.
"""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any
from uuid import UUID

import jwt
import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from uvloop import new_event_loop

from harness.api_requests import SECRET

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[..., Awaitable[None]]

READY = "ready on"
ANSWER = (
    b'{"event_id":"0198f1a0-0000-7000-8000-000000000000",'
    b'"receipt":{"partition":0,"offset":100000,"line":0}}'
)
"""As long as ugc-api's."""
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(ANSWER)),
]
_START = {"type": "http.response.start", "status": 202, "headers": _HEADERS}
_BODY = {"type": "http.response.body", "body": ANSWER}


async def noop(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer, without so much as a look at the body."""
    await send(_START)
    await send(_BODY)


def bare(producer: AIOKafkaProducer, topic: str) -> App:
    """Return an endpoint that keeps the body as it came."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await producer.send_and_wait(topic, body, key=scope["path"].encode())
        await send(_START)
        await send(_BODY)

    return app


class Progress(BaseModel):
    """A report, as the plain service declares it."""

    event_id: UUID
    progress: float = Field(ge=0)
    total: float = Field(gt=0)
    watched_from: float | None = None
    viewed_at: int
    session_id: UUID | None = None
    seq: int | None = None
    kind: str | None = None
    device: str | None = None


class Kept(Progress):
    """What the plain service keeps."""

    film_id: UUID
    user_id: UUID


def plain(producer: AIOKafkaProducer, topic: str) -> FastAPI:
    """Return the service as most people would write it."""
    app = FastAPI()
    bearer = HTTPBearer()

    async def user(
        credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
    ) -> UUID:
        try:
            claims = jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"])
            return UUID(claims["sub"])
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise HTTPException(401) from error

    @app.post("/api/v1/progresses/films/{film_id}/", status_code=202)
    async def post(
        film_id: UUID, report: Progress, user_id: Annotated[UUID, Depends(user)]
    ) -> dict[str, object]:
        kept = Kept(film_id=film_id, user_id=user_id, **report.model_dump())
        at = await producer.send_and_wait(
            topic, kept.model_dump_json().encode(), key=str(user_id).encode()
        )
        receipt = {"partition": at.partition, "offset": at.offset, "line": 0}
        return {"event_id": report.event_id, "receipt": receipt}

    @app.get("/livez")
    async def live() -> Response:
        return Response()

    return app


@asynccontextmanager
async def opened(way: str, servers: str, topic: str) -> AsyncIterator[App]:
    """Yield the app of a way, with its producer open."""
    if way == "noop":
        yield noop
        return
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        yield bare(producer, topic) if way == "bare" else plain(producer, topic)


class Server(uvicorn.Server):
    """uvicorn that says when it listens, and ends with 0 when it is told to."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        yield

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - as in uvicorn
        """Start, and say so."""
        await super().startup(sockets)
        print(READY, self.config.port, flush=True)


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    async with opened(options.way, options.servers, options.topic) as app:
        config = uvicorn.Config(
            app,
            port=options.port,
            http=options.http,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            backlog=2048,
        )
        await Server(config).serve()


def main() -> None:
    """Run one of the ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("noop", "bare", "fastapi"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--http", choices=("httptools", "h11"), default="httptools")
    parser.add_argument("--servers", default="")
    parser.add_argument("--topic", default="")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
