"""The tables of figures in the READMEs, and the charts beside results, made from the result files.

`python -m harness.report` writes them between their marks; with `--check` it changes
nothing and fails where a table or a chart is not what the results say.
"""

import argparse
import sys
from collections.abc import Callable

from harness.api_charts import CHARTS
from harness.results import RESULTS
from harness.tables import TABLES, result

ROOT = RESULTS.parents[1]
PAGES = (
    *("README.md", "stress-testing/README.md", "packages/chdb-server/README.md"),
    "architecture/adr/0024-uvicorn.md",
)
_START = "<!-- figures: {name} -->"
_END = "<!-- end of figures -->"


def filled(text: str) -> str:
    """Return a page with every table as the results say."""
    for name, table in TABLES.items():
        start = _START.format(name=name)
        before, mark, rest = text.partition(start)
        if mark:
            _, end, after = rest.partition(_END)
            if not end:
                msg = f"{start} has no {_END}"
                raise ValueError(msg)
            text = f"{before}{start}\n{_or_unmeasured(table)}\n{end}{after}"
    return text


def _or_unmeasured(table: Callable[[], str]) -> str:
    """Return a table, or that nobody has committed its result."""
    try:
        return table()
    except FileNotFoundError:
        return "Not measured yet: `nox -s bench` writes it."


def charts() -> dict[str, str]:
    """Return the charts of all results that are there, by their paths."""
    return {
        str((RESULTS / f"{name}.svg").relative_to(ROOT)): drawn(result(name))
        for name, drawn in CHARTS.items()
        if (RESULTS / f"{name}.json").exists()
    }


def stale() -> list[str]:
    """Return the pages and charts that are not what the results say."""
    pages = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
    old = [page for page, text in pages.items() if filled(text) != text]
    return old + [path for path, chart in charts().items() if _read(path) != chart]


def _read(path: str) -> str | None:
    """Return what a file holds; None if it is not there."""
    file = ROOT / path
    return file.read_text("utf-8") if file.exists() else None


def main() -> int:
    """Write or check tables and charts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    if parser.parse_args().check:
        for page in stale():
            print(f"{page}: figures are stale; run `python -m harness.report`", file=sys.stderr)
        return 1 if stale() else 0
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        (ROOT / page).write_text(filled(text), "utf-8")
    for path, chart in charts().items():
        (ROOT / path).write_text(chart, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
