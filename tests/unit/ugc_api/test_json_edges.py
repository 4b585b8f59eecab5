"""The edges of JSON: what is taken means exactly what was sent, and all else is refused."""

import json

import pytest

BOM = b"\xef\xbb\xbf"
GOOD = b'{"progress": 1, "total": 2}'

TAKEN = {
    "a name twice: the last one counts": (b'{"progress": 0, "total": 2, "progress": 1}', 1.0),
    "minus zero": (b'{"progress": -0, "total": 2}', 0.0),
    "minus zero with a fraction": (b'{"progress": -0.0, "total": 2}', 0.0),
    "an exponent": (b'{"progress": 1E2, "total": 5.4e3}', 100.0),
    "a negative exponent": (b'{"progress": 1500e-3, "total": 2}', 1.5),
    "more digits than a number has": (b'{"progress": 1.' + b"0" * 500 + b', "total": 2}', 1.0),
    "an exponent below everything": (b'{"progress": 1e-400, "total": 2}', 0.0),
    "whitespace wherever it may be": (b' \t\r\n{ "progress" :\n1 , "total":\t2 } \n', 1.0),
    "names in escapes": (b'{"\\u0070rogress": 1, "total": 2}', 1.0),
    "unknown names of any kind": (
        b'{"progress": 1, "total": 2, "": null, "\\u0000": [[]], "__proto__": {"a": 1e400}}',
        1.0,
    ),
    "a surrogate pair in an unknown field": (
        b'{"progress": 1, "total": 2, "x": "\\ud83c\\udfac"}',
        1.0,
    ),
}
REFUSED = {
    "a number beyond everything": b'{"progress": 1e400, "total": 2}',
    "an integer of 400 digits": b'{"progress": ' + b"9" * 400 + b', "total": 2}',
    "an integer of 10,000 digits": b'{"progress": 1, "total": 2, "seq": ' + b"9" * 10_000 + b"}",
    "an integer just past 64 bits": b'{"progress": 1, "total": 2, "seq": 18446744073709551616}',
    "a leading zero": b'{"progress": 01, "total": 2}',
    "a plus": b'{"progress": +1, "total": 2}',
    "a dot without digits before it": b'{"progress": .5, "total": 2}',
    "a dot without digits after it": b'{"progress": 1., "total": 2}',
    "hexadecimal": b'{"progress": 0x1, "total": 2}',
    "NaN": b'{"progress": NaN, "total": 2}',
    "Infinity": b'{"progress": 1, "total": Infinity}',
    "a trailing comma": b'{"progress": 1, "total": 2,}',
    "a comma too many": b'{"progress": 1,, "total": 2}',
    "a comment": b'{"progress": 1, /* no */ "total": 2}',
    "single quotes": b"{'progress': 1, 'total': 2}",
    "names without quotes": b"{progress: 1, total: 2}",
    "a second value behind it": GOOD + GOOD,
    "words behind it": GOOD + b"x",
    "a NUL behind it": GOOD + b"\x00",
    "nothing": b"",
    "only whitespace": b" \n",
    "a byte order mark": BOM + GOOD,
    "UTF-16, little end first": GOOD.decode().encode("utf-16"),
    "UTF-16, big end first": GOOD.decode().encode("utf-16-be"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": '{"progress": 1, "total": 2, "device": "é"}'.encode("latin-1"),
    "an overlong slash": b'{"progress": 1, "total": 2, "device": "a\xc0\xaf"}',
    "a surrogate as bytes": b'{"progress": 1, "total": 2, "device": "a\xed\xa0\x80"}',
    "half a surrogate pair": b'{"progress": 1, "total": 2, "device": "a\\ud800"}',
    "the other half": b'{"progress": 1, "total": 2, "kind": "a\\udc00"}',
    "a raw control character": b'{"progress": 1, "total": 2, "device": "a\tb"}',
    "an escaped control character": b'{"progress": 1, "total": 2, "device": "a\\u0000b"}',
    "an unknown escape": b'{"progress": 1, "total": 2, "device": "\\x41"}',
    "a cut escape": b'{"progress": 1, "total": 2, "device": "\\u00"}',
    "a string without end": b'{"progress": 1, "total": 2, "device": "tv',
    "arrays a thousand deep": b'{"progress": 1, "total": 2, "x": '
    + b"[" * 1000
    + b"]" * 1000
    + b"}",
    "objects a thousand deep": b'{"x":' * 1000 + b"1" + b"}" * 1000,
    "brackets that never close": b"[" * 10_000,
    "a truth value": b"true",
    "null": b"null",
    "an array": b"[" + GOOD + b"]",
    "a string": json.dumps(GOOD.decode()).encode(),
}


@pytest.mark.parametrize(("body", "progress"), TAKEN.values(), ids=TAKEN)
async def test_what_is_valid_is_taken_as_it_was_meant(api, body, progress):
    answer = await api.report(body)

    assert answer.status_code == 202, answer.text
    (event,) = api.kept()
    assert event.progress == progress


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
async def test_what_is_not_is_refused_and_nothing_is_kept(api, body):
    answer = await api.report(body)

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert api.kept() == []


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
async def test_between_good_lines_it_costs_only_itself(api, body):
    good = b'{"film_id": "%s", "progress": 1, "total": 2}' % str(api.film).encode()
    lines = b"\n".join([good, body.replace(b"\n", b" "), good])
    headers = {"Content-Type": "application/x-ndjson"} | api.bearer()

    answer = await api.client.post(api.many, content=lines, headers=headers)

    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == len(api.kept()) == 2
    assert [answer.json()["items"][place]["status"] for place in (0, -1)] == ["accepted"] * 2
