"""The headers of requests that the OpenAPI document describes."""

from typing import Any

from ugc_api.documentation import examples
from ugc_api.intake.idempotency import MAX_KEY_CHARS

Json = dict[str, Any]

CODING: Json = {
    "name": "Content-Encoding",
    "in": "header",
    "description": "How the body is compressed. The limits hold for what came and for what it"
    " inflates to.",
    "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
}
KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a retry the same report where the body has no `event_id`; it never"
    " changes one that is there. On a single report a UUID becomes the `event_id`; any other text"
    " makes one with user and film. In a batch each item's is made of the key, its place and its"
    " film. Only a UUID version 7 for a single report says when it was made; otherwise"
    f" `viewed_at` is required (422). 1 to {MAX_KEY_CHARS} characters, in double quotes.",
    "schema": {"type": "string", "minLength": 1},
    "example": f'"{examples.EVENT}"',
}
