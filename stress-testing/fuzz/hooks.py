"""What Schemathesis cannot know by itself: NDJSON, compressed bodies, and a token for beacons."""

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import schemathesis

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PACK: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: object, value: object) -> bytes:
    """Return text and bytes as they are, and anything else as one line of JSON."""
    del context
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
    """Give beacons a token that is good, and have two bodies of three be compressed."""
    del context
    if case.operation.path.endswith("/beacons"):
        case.body = _signed(case.body)
    kwargs["auth"] = _packed


def _signed(body: object) -> object:
    """Return a beacon with a good token in place of what was drawn, where it has one."""
    if isinstance(body, dict) and isinstance(body.get("token"), str):
        return {**body, "token": os.environ["UGC_FUZZ_BEACON"]}
    return body


def _packed(request: Any) -> Any:  # noqa: ANN401 - of requests, which brings no types
    """Compress a prepared request's body, in a way that the same body always gets."""
    if not request.body or "Content-Encoding" in request.headers:
        return request
    body = request.body.encode() if isinstance(request.body, str) else request.body
    coding = (None, "gzip", "zstd")[zlib.crc32(body) % 3]
    if coding is not None:
        request.body = _PACK[coding](body)
        request.headers["Content-Encoding"] = coding
        request.headers["Content-Length"] = str(len(request.body))
    return request
