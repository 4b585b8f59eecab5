"""The report of the chaos suite: resumable, and honest about what was not played."""

import json

from chaos.judge import Difference
from chaos.matrix import ROWS, Row
from chaos.report import Report, run_name
from chaos.trial import Stage, Verdict


async def never(_: Stage) -> Verdict:
    raise AssertionError


ROW = Row(name="8", fault="API killed", play=never, pipeline=True, seeds=2)
FIGURES: dict[str, object] = {
    "reports": 1000,
    "accepted": 990,
    "unknown_then_repeated": 7,
    "recovered_s": 0.5,
}


def test_every_row_of_embedded_mode_is_there():
    numbers = {int(row.name.rstrip("ab")) for row in ROWS}

    assert numbers == {8, 9, 11, 13, 14, 15, *range(19, 27), 28, 29, 30}


def test_a_run_that_ended_well_is_not_played_again_after_a_restart(tmp_path):
    report = Report()
    good, bad = run_name(ROW, 1, tokens=True), run_name(ROW, 1, tokens=False)
    report.add(good, Verdict(figures=FIGURES, differences=[]), took_s=1)
    report.add(bad, Verdict(figures=FIGURES, differences=[Difference("lost", "x")]), took_s=1)
    path = tmp_path / "chaos.json"
    path.write_text(json.dumps({"runs": report.runs}), "utf-8")

    again = Report.at(path)

    assert again.done(good)
    assert not again.done(bad)
    assert not again.done(run_name(ROW, 2, tokens=True))


def test_the_table_counts_what_differs_by_its_kind():
    report = Report()
    differences = [Difference("lost", "a"), Difference("lost", "b"), Difference("audience", "c")]
    report.add(run_name(ROW, 1, tokens=True), Verdict(figures=FIGURES, differences=[]), took_s=1)
    report.add(
        run_name(ROW, 2, tokens=False),
        Verdict(figures={**FIGURES, "recovered_s": 2.5}, differences=differences),
        took_s=1,
    )

    line = report.table([ROW]).splitlines()[-1]

    assert line == "| 8 | API killed | 2 of 4 | 2,000 | 1,980 | 14 | 2 | 0 | 0 | 1 | 0 | 2.5 s |"


def test_a_row_that_was_not_played_says_so():
    head, rule, line = Report().table([ROW]).splitlines()

    assert "| 0 of 4 | not run |" in line
    assert head.count("|") == rule.count("|") == line.count("|")


def test_a_run_that_is_played_again_does_not_hide_what_it_found_before():
    report, name = Report(), run_name(ROW, 1, tokens=True)
    report.add(name, Verdict(figures=FIGURES, differences=[Difference("lost", "x")]), took_s=1)
    report.add(name, Verdict(figures=FIGURES, differences=[]), took_s=1)

    assert report.done(name)
    assert report.runs[name]["earlier"] == [["lost: x"]]
    assert "| 0 | 0 | 0 | 0 | 1 | 0.5 s |" in report.table([ROW])
