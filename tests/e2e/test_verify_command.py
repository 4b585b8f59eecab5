"""`ugc verify` and `ugc trace` on a system that runs: what they print, and how they end."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.e2e.systems import Ended, Up, start_up, ugc

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
USER = UUID("01900000-0000-7000-8000-00000000000a")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A system whose tables these tests may spoil."""
    running = start_up(tmp_path_factory.mktemp("verify") / "data")
    try:
        running.says("}")
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def sent(own: Up) -> list[dict[str, object]]:
    """The answers to some reports, all of them ingested."""
    reports = [{"progress": n, "total": 5400, "film_id": FILM} for n in range(20)]
    with own.client(USER) as client:
        answer = client.post("/api/v1/progresses/", json=reports)
    items: list[dict[str, object]] = answer.json()["items"]
    ended = command(own, "verify", "--wait", "30", "--json")
    assert json.loads(ended.out)["waiting"] == 0
    return items


def command(up: Up, *words: str) -> Ended:
    return ugc(*words, "--data", str(up.data), cwd=up.data.parent)


def receipt_of(item: dict[str, object]) -> str:
    receipt = item["receipt"]
    assert isinstance(receipt, dict)
    return f"{receipt['partition']}:{receipt['offset']}:{receipt['line']}"


def test_a_good_system_ends_with_0_and_says_what_was_checked(own, sent):
    ended = command(own, "verify", "--deep")

    assert ended.code == 0, ended.out + ended.err
    checks = [line.split("\t")[:2] for line in ended.out.splitlines()]
    assert checks == [
        ["check", "result"],
        ["ledger", "ok"],
        ["reports", "ok"],
        ["dead letters", "ok"],
        ["derived", "ok"],
    ]
    assert ended.err == "Good: every report that the log holds is stored, once.\n"


def test_verify_prints_one_json_document(own, sent):
    ended = command(own, "verify", "--deep", "--json")

    found = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert (found["ok"], found["topic"], found["findings"]) == (True, "views", [])
    facts = {check["name"]: check["facts"] for check in found["checks"]}
    assert facts["reports"]["reports"] == len(sent)
    assert facts["ledger"]["lines"] == len(sent)


def test_a_report_is_followed_by_its_id_and_by_its_receipt(own, sent):
    event_id, receipt = sent[7]["event_id"], receipt_of(sent[7])

    by_id = command(own, "trace", str(event_id))
    by_receipt = command(own, "trace", receipt)

    assert by_id.code == 0, by_id.err
    assert by_id.out == by_receipt.out
    assert by_id.out.startswith(f"{receipt}\n  stage    stored: in the warehouse")
    for part in (f"event    {event_id}", "schema_version=1", "20 lines, 20 stored", str(USER)):
        assert part in by_id.out


def test_trace_without_a_line_follows_the_whole_record(own, sent):
    record = receipt_of(sent[0]).rpartition(":")[0]

    found = json.loads(command(own, "trace", record, "--json").out)

    assert [line["event_id"] for line in found["lines"]] == [item["event_id"] for item in sent]
    assert {line["stage"] for line in found["lines"]} == {"stored"}


def test_trace_of_an_unknown_id_ends_with_1_and_says_what_was_searched(own, sent):
    ended = command(own, "trace", str(uuid4()))

    assert (ended.code, ended.out) == (1, "")
    assert "nothing is known of" in ended.err
    assert "searched: log views[0]" in ended.err
    assert "searched: warehouse, views_raw" in ended.err
    assert command(own, "trace", "0:999999999").code == 1


@pytest.mark.parametrize("word", ["nonsense", "1:2:3:4", "-1:0"])
def test_trace_of_what_is_no_id_is_wrong_usage(own, word):
    assert command(own, "trace", "--", word).code == 2


def test_both_end_with_4_where_nothing_runs(tmp_path: Path):
    for words in (["verify"], ["trace", "0:0"]):
        ended = ugc(*words, "--data", str(tmp_path / "nowhere"), cwd=tmp_path)
        assert ended.code == 4
        assert "no `ugc up` is running" in ended.err


def test_a_topic_that_is_not_there_is_unreachable(own):
    ended = command(own, "verify", "--topic", "nowhere")

    assert ended.code == 4
    assert "no topic nowhere" in ended.err


def test_a_clients_contradiction_is_a_note_unless_strict(own, sent):
    report = {"event_id": str(sent[9]["event_id"]), "film_id": FILM, "total": 5400}
    with own.client(USER) as client:
        client.post("/api/v1/progresses/", json=[report | {"progress": 77}])

    noted = command(own, "verify", "--deep", "--wait", "30")
    strict = command(own, "verify", "--deep", "--strict")

    assert (noted.code, strict.code) == (0, 3)
    assert f"conflicting {report['event_id']}" in noted.out
    assert f"copies with other content at {receipt_of(sent[9])}, " in noted.out
    assert "reports\tok, 1 note\t" in noted.out
    assert command(own, "verify", "--strict").code == 0  # the ledger has no note


def test_a_lost_and_a_foreign_row_end_with_3_and_are_named(own, sent):
    lost, other = sent[3]["event_id"], sent[4]["event_id"]
    phantom = uuid4()
    own.rows(
        f"INSERT INTO views_raw SELECT * REPLACE (toUUID('{phantom}') AS event_id)"
        f" FROM views_raw AS raw WHERE raw.event_id = '{other}'"
    )
    own.rows(f"DELETE FROM views_raw WHERE event_id = '{lost}'")

    ended = command(own, "verify", "--deep", "--most", "1", "--all")

    assert ended.code == 3
    assert f"missing     {lost}" in ended.out
    assert f"foreign     {phantom}" in ended.out
    assert "next: ugc replay log --offsets" in ended.out
    assert "NOT GOOD" in ended.err
    few = command(own, "verify", "--deep", "--most", "1")
    assert (few.code, few.out.count("next: ")) == (3, 1), few.out
    assert re.search(r"1 of \d findings printed; --all prints every one", few.err)
    assert command(own, "verify").code == 0  # the ledger knows nothing of it
    traced = command(own, "trace", receipt_of(sent[3]))
    assert traced.code == 3
    assert "stage    lost" in traced.out

    advice = re.search(r"next +ugc (replay log .*)", traced.out)
    assert advice
    assert command(own, *advice[1].split()).code == 0
    assert command(own, "trace", receipt_of(sent[3])).code == 0
