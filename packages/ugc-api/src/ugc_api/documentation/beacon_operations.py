"""What the OpenAPI document says of beacons and their tokens."""

import json
from collections.abc import Mapping
from typing import Any

from ugc_api import media_types
from ugc_api.documentation import answer_docs, examples, headers
from ugc_api.documentation.request_headers import BEARER, COMPRESSED, TRACEPARENT
from ugc_api.documentation.schemas import ref
from ugc_api.intake.beacon_grants import BeaconToken, BeaconTokenRequest
from ugc_api.intake.beacons import Beacon
from ugc_api.paths import BEACON_TOKENS_PATH, BEACONS_PATH
from ugc_api.problems import kinds

Json = dict[str, Any]

_PROBLEMS = (
    *answer_docs.OF_EVERY_REQUEST,
    kinds.MALFORMED_BODY,
    kinds.MALFORMED_ENCODING,
    kinds.INVALID_TOKEN,
    kinds.FOREIGN_REPORT,
    kinds.BEACONS_OFF,
    kinds.BODY_TIMEOUT,
    kinds.TOO_LARGE,
    kinds.UNSUPPORTED_MEDIA,
    kinds.REFUSED_REPORT,
    kinds.INTERNAL,
)
_TOKEN: Json = {
    "operationId": "getBeaconToken",
    "tags": ["progress"],
    "summary": "A token for beacons about one film",
    "description": "Ask as the film begins: a page that goes away has no time to. The token is"
    " good for reports of one viewer in one film (and one session, if named), and for nothing"
    " else; it goes into the body of beacons.",
    "security": BEARER,
    "parameters": [TRACEPARENT],
    "requestBody": {
        "description": COMPRESSED,
        "required": True,
        "content": {
            media_types.JSON: {
                "schema": ref(BeaconTokenRequest),
                "example": examples.BEACON_TOKEN_REQUEST,
            }
        },
    },
    "responses": {
        "200": answer_docs.answer(BeaconToken, "The token.", examples.BEACON_TOKEN),
        **answer_docs.problems(
            *_PROBLEMS, kinds.MISSING_TOKEN, kinds.INVALID_PARAMETER, kinds.KEYS_UNAVAILABLE
        ),
    },
}
_BEACON: Json = {
    "operationId": "sendBeacon",
    "tags": ["progress"],
    "summary": "Report progress as the page goes away",
    "description": "For `navigator.sendBeacon`, which sends neither headers of ours nor waits for"
    " an answer: the token is in the body, and the body may be `text/plain`, so that a browser"
    " need not ask first. 204 means that every report that could be accepted is kept; others are"
    " dropped and counted. If none could, the answer is the problem of the first. Each report has"
    " the token's film, named or not. At most 64 KiB, and as many reports as in a batch.",
    "security": [],
    "parameters": [TRACEPARENT],
    "requestBody": {
        "description": COMPRESSED,
        "required": True,
        "content": {
            media_types.TEXT: {
                "schema": {
                    "type": "string",
                    "contentMediaType": media_types.JSON,
                    "contentSchema": ref(Beacon),
                },
                "example": json.dumps(examples.BEACON),
            },
            media_types.JSON: {"schema": ref(Beacon), "example": examples.BEACON},
        },
    },
    "responses": {
        "204": {
            "description": "What could be accepted is kept.",
            "headers": headers.refs(*headers.KEPT_BY_NOBODY),
        },
        **answer_docs.problems(*_PROBLEMS, kinds.LOG_BUSY, kinds.LOG_UNAVAILABLE, kinds.STOPPING),
    },
}

BEACON_OPERATIONS: Mapping[tuple[str, str], Json] = {
    (BEACON_TOKENS_PATH, "post"): _TOKEN,
    (BEACONS_PATH, "post"): _BEACON,
}
