"""Every kind of problem that is documented can be met: some test asks for it, and gets it."""

import re
from pathlib import Path

import pytest

from ugc_api.problems import kinds
from ugc_api.problems.kinds import KINDS, Kind

TESTS = Path(__file__).parents[2]
ANSWERED = re.compile(r"""["'](?:/problems/)?([a-z-]+)["']|kinds\.([A-Z_]+)\b""")


def kinds_met() -> set[str]:
    """Return the kinds that tests compare answers with, by their slugs."""
    here = Path(__file__)
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        if path != here:
            for slug, name in ANSWERED.findall(path.read_text("utf-8")):
                kind = getattr(kinds, name, None)
                found.add(kind.slug if isinstance(kind, Kind) else slug)
    return found


MET = kinds_met()


@pytest.mark.parametrize("slug", KINDS)
def test_a_kind_of_problem_is_met_by_a_test(slug):
    assert slug in MET
