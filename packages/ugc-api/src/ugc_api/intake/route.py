"""What every write request goes through, as bare ASGI: no router, no model, no dependency.

The same work costs four to six times as much through a route of FastAPI (measured:
stress-testing/bench/api_hot_path.py), and this is the route that every player calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ugc_api import media_types
from ugc_api.intake.bodies import Headers, read_body
from ugc_api.intake.idempotency import IDEMPOTENCY_KEY
from ugc_api.intake.patience import Patience
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, named, request_id
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, raw
from ugc_api.scopes import rendered, whole_body, wrote_whole
from ugc_core.clock import Clock

Pairs = Sequence[tuple[bytes, bytes]]

_JSON: Pairs = ((b"content-type", media_types.JSON.encode()), (b"cache-control", b"no-store"))
_METHOD = "POST"
_NO_CONTENT = 204
_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Reception:
    """What all write routes share.

    Attributes:
        metrics: What they count by.
        clock: Time.
        patience: How long they wait for a body.
    """

    metrics: ApiMetrics
    clock: Clock
    patience: Patience


class WriteRoute(ABC):
    """One route that players write to.

    Attributes:
        template: Its path with the names of its parameters: what metrics and logs call it.
        code: The status of the answer when all went well.
        pairs: That answer's headers.
    """

    template: str
    code: int = 202
    pairs: Pairs = _JSON

    def __init__(self, reception: Reception) -> None:
        """Receive requests by what all routes share."""
        self._metrics = reception.metrics
        self._clock = reception.clock
        self._patience = reception.patience
        self._head = rendered(self.pairs)

    @abstractmethod
    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Return the body of the answer when all went well.

        Raises:
            ProblemError: The request is refused, or nothing can be kept at the moment.
            ClientDisconnect: Nobody waits for the answer any more.
        """

    def body(
        self, scope: Scope, headers: Headers, receive: Receive, *, limit: int
    ) -> Awaitable[bytes]:
        """Return the whole body, of at most `limit` bytes; see `read_body`."""
        whole = whole_body(scope)
        return read_body(headers, receive, limit=limit, patience=self._patience, whole=whole)

    def _head_of(self, pairs: Pairs, name: bytes, body: bytes) -> bytes | None:
        """Return the usual answer's head as lines; None for another answer."""
        usual = pairs is self.pairs and self.code != _NO_CONTENT
        return named(self._head, name, body) if usual else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing that is raised gets out, except a cancellation."""
        headers = dict(scope["headers"])
        name = request_id(headers.get(HEADER), self._clock)
        metrics, status = self._metrics, 0
        metrics.in_flight_add(1)
        try:
            try:
                if len(headers) != len(scope["headers"]):
                    _drop_ambiguous(headers, scope["headers"])
                body = await self.handle(scope, headers, receive)
                code, pairs = self.code, self.pairs
            except ClientDisconnect:
                return
            except ProblemError as error:
                code, pairs, body = raw(error)
            except Exception:
                _log.exception(
                    "request failed", request_id=name.decode(), method=_METHOD, route=self.template
                )
                error_of_ours = "The service met an unexpected error."
                code, pairs, body = raw(ProblemError(kinds.INTERNAL, error_of_ours))
            status = code
            head = self._head_of(pairs, name, body)
            if head is None or not wrote_whole(scope, send, code, head, body):
                await _say(send, code, [*pairs, (HEADER, name)], body)
        finally:
            metrics.in_flight_add(-1)
            metrics.request_ended(self.template, _METHOD, status)


async def _say(send: Send, code: int, start: list[tuple[bytes, bytes]], body: bytes) -> None:
    if code != _NO_CONTENT:  # RFC 9110, section 8.6
        start.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": code, "headers": start})
    await send({"type": "http.response.body", "body": body})


def _drop_ambiguous(headers: dict[bytes, bytes], pairs: Pairs) -> None:
    """Let two tokens prove nothing, and two keys be none: which of them is meant?"""
    names = [name for name, _ in pairs]
    if names.count(b"authorization") > 1:
        del headers[b"authorization"]
    if names.count(IDEMPOTENCY_KEY) > 1:
        headers[IDEMPOTENCY_KEY] = b""
