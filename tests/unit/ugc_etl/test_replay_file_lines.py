"""Lines of files, and the reports in them."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from tests.unit.ugc_etl.builders import NOW_MS, event
from ugc_core.acceptance import Window
from ugc_core.codec import decode_line, encode_event
from ugc_core.errors import ReportRefusedError
from ugc_etl.replay.file_lines import MAX_LINE_BYTES, as_line, read_lines
from ugc_etl.replay.file_replay import by_user
from ugc_etl.replay.file_reports import FileReport, history, read_report

LEGACY = (
    b'{"film_id":"00000000-0000-0000-0000-000000000007","user_id":'
    b'"00000000-0000-0000-0000-000000000001","progress":60,"total":5400,'
    b'"created_at":"2023-05-01T10:00:00"}'
)


def read(line: bytes, window: Window | None = None) -> FileReport:
    return read_report(line, received_ms=NOW_MS, window=window or history(24))


def report(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "user_id": str(UUID(int=1)),
        "film_id": str(UUID(int=7)),
        "progress": 10,
        "total": 100,
        "viewed_at": NOW_MS,
    }
    return msgspec.json.encode({**fields, **changes})


def test_a_stored_line_can_be_sent_in_again():
    sent = event(5, device="tv", watched_from=110.0)

    found = read(encode_event(sent))

    assert found.event == sent
    assert not found.derived


def test_the_order_and_the_spaces_of_a_line_do_not_change_its_identity():
    line = report()
    other = b"{ " + b", ".join(reversed(line.strip(b"{}").split(b","))) + b" }"

    assert msgspec.json.decode(line) == msgspec.json.decode(other)
    assert read(line).event.event_id == read(other).event.event_id
    assert read(line).derived
    assert read(line).event.event_id != read(report(progress=11)).event.event_id


def test_a_record_of_the_replaced_system_has_the_id_that_it_has_in_the_log():
    found = read(LEGACY)

    assert found.legacy
    assert found.event.event_id == decode_line(LEGACY, 0).event_id
    assert found.event.viewed_at == decode_line(LEGACY, 0).viewed_at


def test_history_has_no_limit_of_age_but_one_ahead():
    assert read(report(viewed_at=1)).event.viewed_at == 1
    with pytest.raises(ReportRefusedError, match="24 hours ahead"):
        read(report(viewed_at=NOW_MS + 25 * 3_600_000))


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (report(user_id=None), "user_id"),
        (report(viewed_at=None), "viewed_at"),
        (report(progress=500), "progress"),
        (report(film_id=None), "film_id"),
        (b"[]", "Expected"),
        (b"{", "JSON"),
        (LEGACY.replace(b":60", b":-60"), "progress"),
        (LEGACY.replace(b"2023-05", b"2223-05"), "viewed_at"),
    ],
)
def test_what_the_api_would_refuse_is_refused_with_the_field(line: bytes, field: str):
    with pytest.raises(ReportRefusedError, match=field):
        read(line)


def test_lines_are_numbered_and_an_endless_one_costs_no_memory(tmp_path: Path):
    file = tmp_path / "a.ndjson"
    file.write_bytes(b"one\r\n\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\nlast")

    found = [*read_lines(file)]

    assert [(line.number, line.content) for line in found] == [
        (1, b"one"),
        (2, b""),
        (3, None),
        (4, b"last"),
    ]
    assert [line.number for line in read_lines(file, after=2)] == [3, 4]


def test_gzip_is_known_by_its_first_bytes_whatever_the_name(tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_bytes(gzip.compress(b"one\ntwo\n"))

    assert [line.content for line in read_lines(file)] == [b"one", b"two"]


def test_an_empty_file_has_no_lines(tmp_path: Path):
    file = tmp_path / "a"
    file.touch()

    assert [*read_lines(file)] == []


def test_a_row_becomes_the_line_that_it_stands_for():
    row: dict[str, object] = {
        "user_id": UUID(int=1).bytes,
        "film_id": str(UUID(int=7)),
        "progress_ms": 10_500,
        "total_ms": 100_000,
        "watched_from_ms": None,
        "viewed_at": datetime(2026, 1, 1),  # noqa: DTZ001 - as pyarrow gives it
        "device": "",
        "extra": '{"a":1}',
    }

    found = read(as_line(row)).event

    assert (found.progress, found.total, found.watched_from) == (10.5, 100.0, None)
    assert found.viewed_at == datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert bytes(found.extra) == b'{"a":1}'  # type: ignore[arg-type]
    assert found.device is None


def test_appends_are_by_user_in_order_and_bounded():
    reports = [
        FileReport(event=event(number, user_id=UUID(int=number % 2))) for number in range(1, 1300)
    ]

    appends = [*by_user(reports)]

    assert max(len(lines) for _, lines in appends) == 500
    for user in range(2):
        lines = [
            line for key, some in appends if key == str(UUID(int=user)).encode() for line in some
        ]
        assert lines == [
            encode_event(r.event) for r in reports if r.event.user_id == UUID(int=user)
        ]
