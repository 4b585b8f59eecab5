"""What every write request goes through, as bare ASGI: no router, no model, no dependency.

The same work costs four to six times as much through a route of FastAPI (measured:
stress-testing/bench/api_hot_path.py), and this is the route that every player calls.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ugc_api import media_types
from ugc_api.intake.bodies import Headers, read_body, unpacked
from ugc_api.intake.idempotency import IDEMPOTENCY_KEY
from ugc_api.intake.patience import Patience
from ugc_api.operating.answering import Pairs, named, rendered, say, wrote_whole
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, request_id
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, raw
from ugc_api.scopes import whole_body
from ugc_core.clock import Clock

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
        self._lines = rendered(self.pairs) if self.code != _NO_CONTENT else None

    @abstractmethod
    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Return the body of the answer when all went well.

        Raises:
            ProblemError: The request is refused, or nothing can be kept at the moment.
            ClientDisconnect: Nobody waits for the answer any more.
        """

    def at_hand(self, scope: Scope, headers: Headers, *, limit: int) -> bytes | None:
        """Return the body if all of it is here, without a coroutine; see `unpacked`."""
        whole = whole_body(scope)
        return None if whole is None else unpacked(headers, whole, limit=limit)

    async def body(self, scope: Scope, headers: Headers, receive: Receive, *, limit: int) -> bytes:
        """Return the whole body, of at most `limit` bytes; see `unpacked` and `read_body`."""
        whole = self.at_hand(scope, headers, limit=limit)
        if whole is None:
            return await read_body(headers, receive, limit=limit, patience=self._patience)
        return whole

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
            lines = self._lines if pairs is self.pairs else None
            if lines is None or not wrote_whole(scope, send, code, named(lines, name, body), body):
                await say(send, (code, pairs, body), name)
        finally:
            metrics.in_flight_add(-1)
            metrics.request_ended(self.template, _METHOD, status)


def _drop_ambiguous(headers: dict[bytes, bytes], pairs: Pairs) -> None:
    """Let two tokens prove nothing, and two keys be none: which of them is meant?"""
    names = [name for name, _ in pairs]
    if names.count(b"authorization") > 1:
        del headers[b"authorization"]
    if names.count(IDEMPOTENCY_KEY) > 1:
        headers[IDEMPOTENCY_KEY] = b""
