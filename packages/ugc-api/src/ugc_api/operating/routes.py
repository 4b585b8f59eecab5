"""Routes for whoever runs the service: liveness, readiness, metrics."""

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from prometheus_client.exposition import choose_encoder

from ugc_api import media_types
from ugc_api.auth import basic
from ugc_api.operating.health import Health
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.api_settings import ApiSection

_encode = msgspec.json.Encoder().encode
_FRESH = {"Cache-Control": "no-store"}


def add_operation_routes(
    app: FastAPI, *, health: Health, metrics: ApiMetrics, section: ApiSection
) -> None:
    """Add the three routes; none asks for a token, so keep them off the public address."""

    async def livez() -> Response:
        return Response(b"ok\n", 200, _FRESH, media_types.TEXT)

    async def readyz(request: Request) -> Response:
        if "verbose" in request.query_params:
            report = await health.report()
            status = 503 if report.status == "unavailable" else 200
            return Response(_encode(report), status, _FRESH, media_types.JSON)
        if await health.ready():
            return Response(b"ready\n", 200, _FRESH, media_types.TEXT)
        return Response(b"unavailable\n", 503, _FRESH, media_types.TEXT)

    async def counts(request: Request) -> Response:
        _require_password(request, section)
        try:
            encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        except (TypeError, ValueError):  # it compares versions, also those that are no numbers
            encoder, content_type = choose_encoder("")
        return Response(encoder(metrics.registry), 200, _FRESH, content_type)

    _add(app, "/livez", livez)
    _add(app, "/readyz", readyz)
    _add(app, "/metrics", counts)


def _require_password(request: Request, section: ApiSection) -> None:
    """Ask for credentials where some are set: who scrapes is no viewer and has no token."""
    header, password = request.headers.get("authorization"), section.metrics_password
    if password and not basic.is_signed_in(header, user=section.metrics_user, password=password):
        detail = "Sign in with the user and password of the metrics."
        challenge = basic.challenge("UGC metrics")
        raise ProblemError(kinds.METRICS_CREDENTIALS, detail, headers=challenge)


def _add(app: FastAPI, path: str, endpoint: Any) -> None:  # noqa: ANN401 - FastAPI's own type
    """Take GET, and HEAD for probes that ask no more."""
    app.add_api_route(path, endpoint, methods=["GET"])
    app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
