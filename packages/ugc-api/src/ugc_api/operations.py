"""Routes for whoever runs the service: liveness, readiness, metrics."""

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from prometheus_client.exposition import choose_encoder

from ugc_api import bodies
from ugc_api.openapi import LIVE_OPERATION, METRICS_OPERATION, READY_OPERATION
from ugc_api.services import Services

_encode = msgspec.json.Encoder().encode
_FRESH = {"Cache-Control": "no-store"}


def add_operation_routes(app: FastAPI, services: Services) -> None:
    """Add the three routes; none asks for a token, so keep them off the public address."""

    async def livez() -> Response:
        return Response(b"ok\n", 200, _FRESH, "text/plain")

    async def readyz(request: Request) -> Response:
        if "verbose" in request.query_params:
            report = await services.health.report()
            status = 503 if report.status == "unavailable" else 200
            return Response(_encode(report), status, _FRESH, bodies.JSON)
        if await services.health.ready():
            return Response(b"ready\n", 200, _FRESH, "text/plain")
        return Response(b"unavailable\n", 503, _FRESH, "text/plain")

    async def metrics(request: Request) -> Response:
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(services.metrics.registry), 200, _FRESH, content_type)

    _add(app, "/livez", livez, LIVE_OPERATION)
    _add(app, "/readyz", readyz, READY_OPERATION)
    _add(app, "/metrics", metrics, METRICS_OPERATION)


def _add(app: FastAPI, path: str, endpoint: Any, operation: dict[str, Any]) -> None:  # noqa: ANN401 - FastAPI's own type
    """Take GET, and HEAD for probes that ask no more."""
    app.add_api_route(path, endpoint, methods=["GET"], **operation)
    app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
