"""Compressed bodies: what was sent comes out, and nothing makes more of it than the bound."""

import gzip
import struct
import sys
import zlib
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_api.intake.compression import coding_of, inflate
from ugc_api.problems.problem import ProblemError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 262_144
COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
CODINGS = st.sampled_from(sorted(COMPRESS))
REPORT = b'{"progress": 120.5, "total": 5400, "device": "web"}'
BOMB = bytes(10 * 1024 * 1024)


def refused(body, encoding, limit=LIMIT):
    """Return the problem; anything but a ProblemError is a failure of the test."""
    with pytest.raises(ProblemError) as caught:
        inflate(body, encoding, limit=limit)
    return caught.value


def outcome(body, coding):
    """Return the kind of problem, or that there is none."""
    try:
        return "taken" if len(inflate(body, coding, limit=1000)) <= 1000 else "too much"
    except ProblemError as error:
        return error.kind.slug


@given(coding=CODINGS, body=st.binary(max_size=5000))
def test_what_was_compressed_comes_out(coding, body):
    assert inflate(COMPRESS[coding](body), coding, limit=LIMIT) == body


@given(coding=CODINGS, parts=st.lists(st.binary(max_size=200), min_size=1, max_size=32))
def test_members_one_after_the_other_are_one_body(coding, parts):
    body = b"".join(COMPRESS[coding](part) for part in parts)

    assert inflate(body, coding, limit=LIMIT) == b"".join(parts)


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_body_cut_off_anywhere_is_400(coding):
    body = COMPRESS[coding](REPORT * 50)

    for length in range(len(body)):
        assert refused(body[:length], coding).kind.slug == "malformed-encoding"


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("rest", [b"\0", b"x", b"\x1f\x8b", REPORT])
def test_what_follows_the_stream_is_400_and_not_dropped(coding, rest):
    assert refused(COMPRESS[coding](REPORT) + rest, coding).kind.status == 400


@pytest.mark.parametrize("coding", COMPRESS)
def test_ten_mebibytes_of_zeros_are_413_at_any_limit(coding):
    body = COMPRESS[coding](BOMB)

    for limit in (len(body), 16_384, LIMIT):
        assert refused(body, coding, limit=limit).kind.slug == "too-large"


@pytest.mark.parametrize("coding", COMPRESS)
def test_a_bomb_in_the_last_of_many_members_is_413(coding):
    body = COMPRESS[coding](REPORT) * 5 + COMPRESS[coding](BOMB)

    assert refused(body, coding).kind.slug == "too-large"


@pytest.mark.parametrize("coding", COMPRESS)
@pytest.mark.parametrize("over", [0, 1])
def test_the_bound_holds_to_the_byte(coding, over):
    body = COMPRESS[coding](bytes(5000))

    if over:
        assert refused(body, coding, limit=4999).kind.slug == "too-large"
    else:
        assert inflate(body, coding, limit=5000) == bytes(5000)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_the_bound_holds_for_the_bytes_on_the_wire_too(coding):
    assert refused(bytes(11), coding, limit=10).kind.slug == "too-large"


@pytest.mark.parametrize("coding", COMPRESS)
def test_thousands_of_empty_members_are_400_at_once(coding):
    body = COMPRESS[coding](b"")

    assert "parts" in str(refused(body * (LIMIT // len(body)), coding))


@pytest.mark.parametrize(("window_log", "taken"), [(23, True), (24, False)])
def test_a_zstd_window_may_be_8_mib_and_not_more(window_log, taken):
    options: Mapping[int, int] = {zstd.CompressionParameter.window_log: window_log}
    compressor = zstd.ZstdCompressor(options=options)
    body = compressor.compress(REPORT) + compressor.flush()  # a stream: it does not know its end

    if taken:
        assert inflate(body, "zstd", limit=LIMIT) == REPORT
    else:
        assert refused(body, "zstd").kind.slug == "malformed-encoding"


def test_a_zstd_frame_that_claims_gigabytes_is_refused_without_making_them():
    claim = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + struct.pack("<Q", 2**40) + b"\x01\0\0"

    assert refused(claim, "zstd").kind.slug == "malformed-encoding"


@given(coding=CODINGS, data=st.data())
def test_bits_turned_over_are_a_problem_or_another_body(coding, data):
    body = bytearray(COMPRESS[coding](REPORT * 3))
    for place in data.draw(st.lists(st.integers(0, len(body) * 8 - 1), min_size=1, max_size=8)):
        body[place // 8] ^= 1 << place % 8

    assert outcome(bytes(body), coding) in {"taken", "malformed-encoding", "too-large"}


@given(coding=CODINGS, body=st.binary(max_size=300))
def test_any_bytes_are_a_body_or_a_problem(coding, body):
    assert outcome(body, coding) in {"taken", "malformed-encoding", "too-large"}


@pytest.mark.parametrize("header", ["gzip", " GZIP ", "x-gzip", "zstd", "Zstd"])
def test_a_coding_is_named_in_any_case(header):
    assert coding_of(header) == header.strip().lower()


@pytest.mark.parametrize("header", ["", "identity", " Identity "])
def test_a_body_that_is_not_compressed_passes_as_it_is(header):
    assert inflate(REPORT, header, limit=LIMIT) is REPORT


@pytest.mark.parametrize(
    "header", ["gzip, gzip", "gzip,zstd", "br", "deflate", "compress", "*", "gzip;q=1", "gz\u0131p"]
)
def test_another_coding_is_415_and_those_that_are_taken_are_named(header):
    problem = refused(gzip.compress(REPORT), header)

    assert problem.kind.status == 415
    assert problem.headers["Accept-Encoding"] == "gzip, zstd"


def test_a_bare_zlib_stream_is_no_gzip():
    assert refused(zlib.compress(REPORT), "gzip").kind.slug == "malformed-encoding"
