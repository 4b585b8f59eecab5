"""The walk through the OWASP API Security Top 10: whole, and true of the tests that it names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WALK = (ROOT / "architecture" / "security.md").read_text("utf-8")
SECTIONS = dict(
    re.findall(r"^## API(\d+) ([^\n]+\n.*?)(?=^## |\Z)", WALK, re.DOTALL | re.MULTILINE)
)
NAMED = re.compile(r"`((?:tests|packages)/[^`:]+\.py)(?:::(\w+))?`")


def test_the_walk_has_all_ten_in_order():
    assert list(SECTIONS) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("number", SECTIONS)
def test_each_is_shown_by_tests(number):
    assert [name for _, name in NAMED.findall(SECTIONS[number]) if name]


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(WALK))))
def test_a_test_that_is_named_exists(path, name):
    source = (ROOT / path).read_text("utf-8")

    assert not name or re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE), name


def test_nothing_else_looks_like_the_name_of_a_test():
    assert len(re.findall(r"::test_", WALK)) == sum(bool(name) for _, name in NAMED.findall(WALK))
