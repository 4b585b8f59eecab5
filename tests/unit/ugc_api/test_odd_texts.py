"""Odd texts in every field that takes text: refused, or kept as they are, one line each."""

import asyncio
import json
import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from structlog.testing import capture_logs

from ugc_core.codec import decode_lines, split_lines
from ugc_core.errors import WarehouseUnavailableError
from ugc_core.events import MAX_EXTRA_BYTES, Event

ODD = (
    "",
    " ",
    "\x00",
    "a\r\n2026-01-01T00:00:00Z [error    ] forged",
    "\x1b[2J\x1b[31m",
    "\u202e\u2066txt.exe",
    "\ud800",
    "🎬" * 40,
    "A" * 9000,
    "' OR '1'='1",
    "{user_id:UUID}",
    "<script>alert(1)</script>",
    "%s%n%(a)s ${jndi:ldap://a} {{7*7}}",
    "../../etc/passwd",
    "\ufeff\u2028\u2029\u0085",
    "NaN",
    "１２",
)
FIELDS = (
    *("event_id", "film_id", "user_id", "profile_id", "viewed_at", "session_id"),
    *("kind", "device", "extra", "progress", "total", "seq", "other"),
)
texts = st.sampled_from(ODD) | st.text(max_size=60)
fields = st.dictionaries(st.sampled_from(FIELDS) | texts, texts, min_size=1, max_size=4)
SURROGATE = re.compile("[\ud800-\udfff]")
FAST = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encoded(fields: dict[str, object]) -> bytes:
    """Return JSON with every odd character in an escape, lone surrogates included."""
    return json.dumps({"progress": 1, "total": 2} | fields).encode()


def lines_kept(api) -> list[bytes]:
    return [
        line
        for records in api.log.records.values()
        for record in records
        for line in split_lines(record.value)
    ]


@FAST
@given(fields=fields, extra=st.none() | st.dictionaries(texts, texts, max_size=3))
@example(fields={"device": "tv\n"}, extra=None)
@example(fields={"other": "x"}, extra={"\ud800": "\x00\n"})
def test_no_text_breaks_a_report_its_line_or_the_log_of_the_service(make_api, fields, extra):
    api = make_api()
    body = encoded(fields | ({} if extra is None else {"extra": extra}))

    with capture_logs() as said:
        one, many = asyncio.run(report_both(api, body))

    assert one.status_code in {202, 403, 413, 422, 400}
    assert many.status_code in {202, 413, 422, 400}
    accepted = (one.status_code == 202) + (many.json().get("accepted", 0))
    kept = lines_kept(api)
    assert len(kept) == len(api.kept()) == accepted
    assert all(b"\n" not in line and b"\x00" not in line for line in kept)
    assert said == []


async def report_both(api, body: bytes):
    film = b'{"film_id": "%s", ' % str(api.film).encode()
    return await api.report(body), await api.report(b"[" + film + body[1:] + b"]", path=api.many)


@FAST
@given(extra=st.dictionaries(texts.filter(lambda text: len(text) < 100), texts, max_size=3))
def test_an_extra_is_kept_to_the_letter(make_api, extra):
    api = make_api()
    body = encoded({"extra": extra})

    answer = asyncio.run(api.report(body))

    is_text = not SURROGATE.search(json.dumps(extra, ensure_ascii=False))
    taken = is_text and len(json.dumps(extra)) <= MAX_EXTRA_BYTES
    assert (answer.status_code == 202) == taken
    if taken:
        (record,) = [record for records in api.log.records.values() for record in records]
        (event,) = decode_lines(record.value, record.headers)
        assert isinstance(event, Event)
        assert isinstance(event.extra, Raw)
        assert json.loads(bytes(event.extra)) == extra


@FAST
@given(text=texts)
def test_no_text_breaks_a_question(make_api, text):
    api = make_api()
    api.warehouse.error = WarehouseUnavailableError("not here")

    async def ask() -> list[int]:
        found = []
        for path in (api.many, f"/api/v1/films/{api.film}/audience/retention"):
            for name in ("cursor", "limit", "profile_id", "since", "until", "bucket_s", text):
                query = {name.encode("utf-8", "replace").decode(): text.encode("utf-8", "replace")}
                answer = await api.client.get(
                    path, params=query, headers=api.bearer(roles=["analyst"])
                )
                found.append(answer.status_code)
        return found

    with capture_logs() as said:
        statuses = asyncio.run(ask())

    assert set(statuses) <= {422, 503}
    assert [line for line in said if line["log_level"] == "error"] == []
