"""Compressed bodies: gzip and zstd, inflated up to a bound and not a byte further.

The codecs are those of the standard library: zlib, and `compression.zstd`, which is there from
Python 3.14 on and as backports.zstd before. python-zstandard, the other well-kept binding, bounds
only the output of its stream reader, and that one does not say where a frame ended: what follows
a frame would be dropped in silence.
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPT_ENCODING = "gzip, zstd"
_MAX_MEMBERS = 32
"""Members of one body. Each costs a decompressor and a copy of the rest: thousands of empty ones
in a small body would keep the event loop busy."""
_GZIP_WBITS = 31
_WINDOW_LOG = 23
"""8 MiB, the most that RFC 9659 lets a sender use; only what is written to it takes memory."""
_ZSTD_OPTIONS: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}


class Decompressor(Protocol):
    """One member of a stream; zlib's and zstd's own objects are such."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return at most `max_length` bytes."""


_DECOMPRESSORS: Mapping[str, Callable[[], Decompressor]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_WBITS),
    "x-gzip": lambda: zlib.decompressobj(_GZIP_WBITS),  # RFC 9110, section 8.4.1.3
    "zstd": lambda: zstd.ZstdDecompressor(options=_ZSTD_OPTIONS),
}


def coding_of(header: str) -> str:
    """Return the coding that a Content-Encoding names; empty where the body is as it is.

    Raises:
        ProblemError: It is one that is not taken, or several.
    """
    name = header.strip().lower()
    if name in {"", "identity"}:
        return ""
    if name not in _DECOMPRESSORS:
        detail = "Send the body with Content-Encoding gzip or zstd, once, or uncompressed."
        accept = {"Accept-Encoding": ACCEPT_ENCODING}
        raise ProblemError(kinds.UNSUPPORTED_MEDIA, detail, headers=accept)
    return name


def inflate(body: bytes, encoding: str, *, limit: int) -> bytes:
    """Return what a body holds once it is inflated.

    It waits for nothing, and its work is bounded by `limit`: it may run in the event loop.

    Args:
        body: The bytes as they came, at most `limit`.
        encoding: The Content-Encoding.
        limit: Most bytes, compressed and inflated; no more than one above it are ever made.

    Raises:
        ProblemError: It holds more, is broken, or is of a coding that is not taken.
    """
    coding = coding_of(encoding)
    if len(body) > limit:
        raise _too_large(limit)
    if not coding:
        return body
    try:
        return _inflate(body, _DECOMPRESSORS[coding], limit)
    except (zlib.error, zstd.ZstdError) as error:
        detail = f"The {coding} stream is broken."
        raise ProblemError(kinds.MALFORMED_ENCODING, detail) from error


def _inflate(body: bytes, make: Callable[[], Decompressor], limit: int) -> bytes:
    """Inflate every member: RFC 1952 and RFC 8878 both say that they are one after the other."""
    found: list[bytes] = []
    room = limit + 1
    for _ in range(_MAX_MEMBERS):
        member = make()
        found.append(member.decompress(body, room))  # zlib takes 0 for "all": room stays above
        room -= len(found[-1])
        if room == 0:
            raise _too_large(limit)
        if not member.eof:
            detail = "The compressed body ends too early."
            raise ProblemError(kinds.MALFORMED_ENCODING, detail)
        body = member.unused_data
        if not body:
            return b"".join(found)
    detail = f"The compressed body has more than {_MAX_MEMBERS} parts."
    raise ProblemError(kinds.MALFORMED_ENCODING, detail)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(kinds.TOO_LARGE, f"The body holds more than {limit} bytes.")
