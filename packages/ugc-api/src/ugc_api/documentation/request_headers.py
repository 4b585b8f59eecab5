"""The headers of requests that the OpenAPI document describes."""

from typing import Any

from ugc_api.documentation import examples
from ugc_api.intake.idempotency import MAX_KEY_CHARS

Json = dict[str, Any]

# As ECMA-262 reads it: nothing may be escaped that need not be.
_PATTERN = (
    rf'^(?:"(?:[ !#-\[\]-~]|\\["\\]){{1,{MAX_KEY_CHARS}}}"'
    rf"|[A-Za-z0-9!#$%&'*+.^_`|~:/=-]{{1,{MAX_KEY_CHARS}}})$"
)
# Not as a parameter: a body is of its schema or compressed, and no schema can say which.
COMPRESSED = (
    "May be compressed: `Content-Encoding: gzip` or `zstd`. The limits hold for what comes and for"
    " what it inflates to."
)
BEARER: list[Json] = [{"bearer": []}]
"""An access token; the document's `securitySchemes` say of what form."""
KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a retry the same report where the body has no `event_id`; it never"
    " changes one that is there. On a single report a UUID becomes the `event_id`; any other text"
    " makes one with user and film. In a batch each item's is made of the key, its place and its"
    " film. Only a UUID version 7 for a single report says when it was made; otherwise"
    f" `viewed_at` is required (422). 1 to {MAX_KEY_CHARS} characters, in double quotes.",
    "schema": {"type": "string", "pattern": _PATTERN},
    "example": f'"{examples.EVENT}"',
}
TRACEPARENT: Json = {
    "name": "traceparent",
    "in": "header",
    "description": "The player's trace (W3C Trace Context), which the report then belongs to. That"
    " it says it is sampled is a wish. Anything else than a context is ignored.",
    "schema": {"type": "string"},
    "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
