"""The write routes. They take the bare request: no model, no dependency, no copy."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import Raw

from ugc_api import media_types
from ugc_api.auth.tokens import TokenVerifier, bearer
from ugc_api.intake import bodies
from ugc_api.intake.intake import Intake
from ugc_api.paths import MANY_PATH, ONE_PATH
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, refuse_parameter
from ugc_core.events import NIL
from ugc_core.settings import ApiSection

_encode = msgspec.json.Encoder().encode
_decode_array = msgspec.json.Decoder(list[Raw]).decode


def add_write_routes(
    app: FastAPI, *, intake: Intake, verifier: TokenVerifier, limits: ApiSection
) -> None:
    """Add both routes."""

    async def post_report(request: Request) -> Response:
        viewer = bearer(request, verifier).viewer
        film_id = _film_id(request.path_params["film_id"])
        bodies.media_type(request, (media_types.JSON,))
        body = await bodies.read_body(
            request, limit=limits.max_body_bytes, timeout_s=limits.body_timeout_s
        )
        return _accepted(await intake.one(body, viewer, film_id))

    async def post_reports(request: Request) -> Response:
        viewer = bearer(request, verifier).viewer
        kind = bodies.media_type(request, (media_types.JSON, media_types.NDJSON))
        body = await bodies.read_body(
            request, limit=limits.max_batch_bytes, timeout_s=limits.body_timeout_s
        )
        items = split(body, kind, most=limits.max_batch_events)
        return _accepted(await intake.many(items, viewer))

    app.add_api_route(ONE_PATH, post_report, methods=["POST"])
    app.add_api_route(MANY_PATH, post_reports, methods=["POST"])


def split(body: bytes, kind: str, *, most: int) -> Sequence[bytes | Raw]:
    """Return the items of a batch, undecoded.

    Raises:
        ProblemError: The array is malformed, or there are too many items.
    """
    items = _lines(body) if kind == media_types.NDJSON else _array(body)
    if len(items) > most:
        detail = f"A batch holds at most {most} reports; this one has {len(items)}."
        raise ProblemError(kinds.TOO_LARGE, detail)
    return items


def _lines(body: bytes) -> list[bytes]:
    """Return the lines that hold something; a line may end in CR LF."""
    return [line for line in body.split(b"\n") if line.strip()]


def _array(body: bytes) -> Sequence[Raw]:
    try:
        return _decode_array(body)
    except msgspec.ValidationError as error:
        detail = "The body must be a JSON array of reports."
        raise ProblemError(kinds.REFUSED_REPORT, detail) from error
    except RecursionError as error:
        raise ProblemError(kinds.MALFORMED_BODY, "the JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(kinds.MALFORMED_BODY, f"not valid JSON: {error}") from error


def _film_id(text: str) -> UUID:
    try:
        film_id = msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        refuse_parameter("film_id", "is not a UUID")
    if film_id == NIL:
        refuse_parameter("film_id", "must not be the nil UUID")
    return film_id


def _accepted(answer: object) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(_encode(answer), 202, headers, media_types.JSON)
