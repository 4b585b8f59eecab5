"""What a problem of each kind looks like: on its page, and in the OpenAPI document."""

from collections.abc import Mapping

from ugc_api.problems import kinds
from ugc_api.problems.kinds import Kind
from ugc_api.problems.problem import FieldError, Problem

_FIELDS: Mapping[Kind, FieldError] = {
    kinds.REFUSED_REPORT: FieldError(
        field="progress", reason="is more than 10 seconds past total (5400)"
    ),
    kinds.INVALID_PARAMETER: FieldError(field="film_id", reason="is not a UUID"),
    kinds.FOREIGN_REPORT: FieldError(field="user_id", reason="is not the token's user"),
}
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": 'Bearer realm="ugc"'},
    405: {"Allow": "GET, HEAD"},
    429: {"Retry-After": "2"},
    503: {"Retry-After": "2"},
}
_OWN_HEADERS: Mapping[Kind, Mapping[str, str]] = {
    kinds.DOCS_CREDENTIALS: {"WWW-Authenticate": 'Basic realm="UGC documentation"'},
    kinds.ROLE_REQUIRED: {
        "WWW-Authenticate": 'Bearer realm="ugc", error="insufficient_scope", scope="analyst"'
    },
}


def example(kind: Kind) -> Problem:
    """Return an occurrence of a kind."""
    field = _FIELDS.get(kind)
    return Problem(
        type=kind.uri,
        title=kind.title,
        status=kind.status,
        detail=f"{field.field}: {field.reason}" if field else kind.title,
        errors=(field,) if field else (),
    )


def example_headers(kind: Kind) -> Mapping[str, str]:
    """Return the headers that a client goes by, as they look with an occurrence of a kind."""
    named = {"X-Request-ID": "01943b2c-8f6a-7c1e-9b7d-3a5e6f708192"}
    return {**_OWN_HEADERS.get(kind, _HEADERS.get(kind.status, {})), **named}
