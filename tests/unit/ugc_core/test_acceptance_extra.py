"""What a client may put into `extra`, and that it is kept as it came."""

import msgspec
import pytest
from msgspec import UNSET

from tests.unit.ugc_core.accepted_reports import accepted, refused
from ugc_core.codec import decode_line, encode_event
from ugc_core.errors import MalformedReportError


def with_extra(raw):
    return b'{"progress": 120, "total": 5400, "extra": ' + raw + b"}"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{ "b":1,"a" : [1.50, 1e2, "\\u00e9\xc3\xa9"] }',
        b'{"a":"\\n \\r \\u2028 \xe2\x80\xa8"}',
        b'{"a":"%s"}' % (b"x" * (2048 - 8)),
    ],
)
def test_extra_is_kept_verbatim(raw):
    event = accepted(with_extra(raw))

    assert isinstance(event.extra, msgspec.Raw)
    assert bytes(event.extra) == raw
    assert decode_line(encode_event(event)) == event


def test_extra_of_null_is_absent():
    assert accepted(with_extra(b"null")).extra is UNSET


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"a"', b"true"])
def test_extra_is_an_object(raw):
    assert refused(with_extra(raw)) == ("extra", "must be a JSON object")


def test_extra_has_at_most_two_kilobytes():
    raw = b'{"a":"%s"}' % (b"x" * (2049 - 8))

    assert refused(with_extra(raw)) == ("extra", "must be at most 2048 bytes")


def test_extra_is_utf_8():
    assert refused(with_extra(b'{"a":"\xff"}')) == ("extra", "is not valid UTF-8")


@pytest.mark.parametrize("raw", [b"{a:1}", b'{"a":01}', b'{"a":NaN}', b'{"a":"x\ny"}', b"{'a':1}"])
def test_extra_is_json(raw):
    with pytest.raises(MalformedReportError):
        accepted(with_extra(raw))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_breaks_between_the_tokens_of_extra_go_and_the_tokens_stay(end):
    raw = end.join([b"{", b'  "a": 1.50,', b'  "b": ["c\\n", {}]', b"}"])

    event = accepted(with_extra(raw))

    assert b'"extra":{"a":1.50,"b":["c\\n",{}]}' in encode_event(event)
    assert not set(b"\r\n") & set(encode_event(event))


def test_extra_is_nested_no_deeper_than_every_reader_can_follow():
    deepest = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    too_deep = b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"
    only_text = b'{"a":"\\"' + b"[" * 500 + b'"}'
    wide = b'{"a":[' + b"{}," * 300 + b"{}]}"

    for raw in (deepest, only_text, wide):
        assert accepted(with_extra(raw))
    assert refused(with_extra(too_deep)) == ("extra", "must be nested at most 64 deep")


def test_an_accepted_event_can_be_read_with_little_stack_left():
    line = encode_event(accepted(with_extra(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")))

    def deep(levels):
        return decode_line(line) if levels == 0 else deep(levels - 1)

    assert deep(700) == decode_line(line)
