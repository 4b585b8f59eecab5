"""The tables of figures in the READMEs, made from the result files.

`python -m harness.report` writes them between their marks; with `--check` it changes
nothing and fails where a table is not what the results say.
"""

import argparse
import sys
from collections.abc import Callable

from harness.results import RESULTS
from harness.tables import TABLES

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


def stale() -> list[str]:
    """Return the pages whose tables are not what the results say."""
    pages = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
    return [page for page, text in pages.items() if filled(text) != text]


def main() -> int:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    if parser.parse_args().check:
        for page in stale():
            print(f"{page}: a table is stale; run `python -m harness.report`", file=sys.stderr)
        return 1 if stale() else 0
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
