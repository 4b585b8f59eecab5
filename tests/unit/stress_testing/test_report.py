"""Figures in prose are those of the result files."""

from harness import report


def test_every_table_of_figures_is_what_the_results_say():
    assert report.stale() == []


def test_a_changed_figure_makes_a_page_stale():
    page = (report.ROOT / "README.md").read_text("utf-8")

    changed = page.replace("| differences | 0 |", "| differences | 1 |")

    assert changed != page
    assert report.filled(changed) == page


def test_a_page_without_marks_stays_as_it_is():
    assert report.filled("| differences | 1 |") == "| differences | 1 |"
