"""Turns whatever a route raises into a problem, the framework's own errors included."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from ugc_api.problems import kinds
from ugc_api.problems.problem import FieldError, Problem, ProblemError, plain, respond


def add_failure_handlers(app: FastAPI) -> None:
    """Register a handler for every exception that is expected."""

    @app.exception_handler(ProblemError)
    async def on_problem(_: Request, error: ProblemError) -> Response:
        return respond(error.problem, error.headers)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == kinds.METHOD_NOT_ALLOWED.status:
            headers["Allow"] = ", ".join(sorted(_methods(app, request)))
        return respond(_of_status(app, request, error), headers)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> Response:
        return respond(_of_validation(error))

    @app.exception_handler(ClientDisconnect)
    async def on_disconnect(_: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it


def _of_status(app: FastAPI, request: Request, error: HTTPException) -> Problem:
    path = request.scope["path"]  # request.url wants the query to be UTF-8
    if error.status_code == kinds.NO_SUCH_PATH.status:
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        meant = {**request.scope, "path": other}
        known = any(route.matches(meant)[0] is not Match.NONE for route in app.routes)
        detail = f"Did you mean {other} ?" if known else "No route has this path."
        return ProblemError(kinds.NO_SUCH_PATH, detail).problem
    if error.status_code == kinds.METHOD_NOT_ALLOWED.status:
        detail = f"{request.method} is not possible here."
        return ProblemError(kinds.METHOD_NOT_ALLOWED, detail).problem
    return plain(error.status_code, str(error.detail))


def _methods(app: FastAPI, request: Request) -> set[str]:
    """Return what every route of this path takes, not only the first one's methods."""
    matching = [r for r in app.routes if r.matches(request.scope)[0] is not Match.NONE]
    return {name for route in matching for name in getattr(route, "methods", None) or ()}


def _of_validation(error: RequestValidationError) -> Problem:
    fields = [
        FieldError(field=".".join(map(str, item["loc"][1:])), reason=str(item["msg"]))
        for item in error.errors()
    ]
    detail = "; ".join(f"{field.field}: {field.reason}" for field in fields)
    return ProblemError(kinds.INVALID_PARAMETER, detail, errors=fields).problem
