"""Swagger UI, Redoc and both documents, behind HTTP basic and without a foreign byte.

Both bundles come from the package fastapi-offline; the browser asks this service alone, and
the content security policy holds it to that.
"""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
from fastapi import FastAPI, Request, Response

from ugc_api import media_types
from ugc_api.auth import basic
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.api_settings import ApiSection

# Swagger UI and Redoc set styles from their scripts; Redoc searches in a worker of its own.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
_TYPES = {
    ".js": "text/javascript",
    ".json": media_types.JSON,
    ".css": "text/css",
    ".png": "image/png",
    ".html": "text/html",
}
_BUNDLES = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png")
_OWN = ("docs.js", "redoc.js")
_encode = msgspec.json.Encoder().encode


def add_docs_routes(app: FastAPI, section: ApiSection) -> None:
    """Add the pages, the document and the assets."""
    assets = _assets()

    async def docs(request: Request) -> Response:
        _require_password(request, section)
        return _file(_own("docs.html"))

    async def redoc(request: Request) -> Response:
        _require_password(request, section)
        return _file(_own("redoc.html"))

    async def document(request: Request) -> Response:
        _require_password(request, section)
        return Response(_encode(app.openapi()), 200, _HEADERS, media_types.JSON)

    async def log_document(request: Request) -> Response:
        _require_password(request, section)
        return _file(resources.files("ugc_core.published") / "asyncapi.json")

    async def asset(request: Request) -> Response:
        _require_password(request, section)
        file = assets.get(request.path_params["name"])
        if file is None:
            raise ProblemError(kinds.NO_SUCH_PATH, "There is no such asset.")
        return _file(file)

    app.add_api_route("/api/docs", docs, include_in_schema=False)
    app.add_api_route("/api/redoc", redoc, include_in_schema=False)
    app.add_api_route("/api/openapi.json", document, include_in_schema=False)
    app.add_api_route("/api/asyncapi.json", log_document, include_in_schema=False)
    app.add_api_route("/api/docs/assets/{name}", asset, include_in_schema=False)


def _require_password(request: Request, section: ApiSection) -> None:
    """Check HTTP basic credentials; equally long for every wrong pair.

    Raises:
        ProblemError: They are missing or wrong, or no password is configured.
    """
    header, password = request.headers.get("authorization"), section.docs_password
    if basic.is_signed_in(header, user=section.docs_user, password=password):
        return
    detail = (
        "Sign in with the documentation's user and password."
        if password
        else "No password is set: put one into a file, name it in UGC_API__DOCS_PASSWORD_FILE,"
        " and start the service again."
    )
    challenge = basic.challenge("UGC documentation")
    raise ProblemError(kinds.DOCS_CREDENTIALS, detail, headers=challenge)


def _assets() -> Mapping[str, Traversable]:
    bundles = resources.files("fastapi_offline") / "static"
    return {name: bundles / name for name in _BUNDLES} | {name: _own(name) for name in _OWN}


def _own(name: str) -> Traversable:
    return resources.files("ugc_api.documentation") / "static" / name


def _file(file: Traversable) -> Response:
    kind = _TYPES[f".{file.name.rpartition('.')[2]}"]
    return Response(file.read_bytes(), 200, _HEADERS, kind)
