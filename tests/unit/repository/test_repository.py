"""What the tree as a whole promises: decisions, pictures, published schemas, no leftovers."""

import re
import subprocess
from pathlib import Path

import pytest

from ugc_api.documentation import openapi
from ugc_core import schemas

ROOT = Path(__file__).parents[3]
ADRS = sorted((ROOT / "architecture" / "adr").glob("[0-9]*.md"))
PUMLS = sorted((ROOT / "architecture").glob("*.puml"))
LOCK_FILES = {"uv.lock", "poetry.lock", "package-lock.json", "Cargo.lock"}
MACHINE_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:work|root|home/\w+)/")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_a_decision_names_what_enforces_it(path: Path):
    last = path.read_text("utf-8").rstrip().splitlines()[-1]

    assert last.startswith("Enforced by:")
    for name in re.findall(r"`((?:tests|packages)/[^`]+?)`", last):
        assert (ROOT / name.split("::")[0]).exists(), f"{path.name} names {name}"


def test_decisions_are_numbered_without_gaps_and_listed():
    index = (ROOT / "architecture" / "adr" / "README.md").read_text("utf-8")

    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    assert all(path.name in index for path in ADRS)


@pytest.mark.parametrize("name", sorted(schemas.documents()))
def test_a_published_schema_is_what_the_struct_says(name: str):
    published = (schemas.PUBLISHED / name).read_text("utf-8")

    assert published == schemas.as_text(schemas.documents()[name]), "run `nox -s schemas`"


def test_the_published_openapi_document_is_what_the_service_gives():
    published = openapi.PUBLISHED.read_text("utf-8")

    assert published == schemas.as_text(openapi.document()), "run `nox -s schemas`"


def test_no_lock_file_is_in_the_tree():
    assert [path for path in tracked() if path.name in LOCK_FILES] == []


def test_no_file_names_a_path_of_somebodys_machine():
    texts = [path for path in tracked() if path.suffix in {".py", ".md", ".toml", ".yml", ".sql"}]

    found = [
        str(path.relative_to(ROOT))
        for path in texts
        if path != Path(__file__) and MACHINE_PATH.search(path.read_text("utf-8"))
    ]

    assert found == []


def test_no_module_has_more_than_400_lines():
    modules = [path for path in tracked() if path.suffix == ".py"]

    assert [p.name for p in modules if len(p.read_text("utf-8").splitlines()) > 400] == []


@pytest.mark.parametrize("puml", PUMLS, ids=lambda path: path.stem)
def test_a_picture_is_what_its_source_says(puml: Path, tmp_path: Path, needs):
    """Words are compared, not bytes: coordinates depend on the fonts of the machine."""
    plantuml = needs("plantuml")
    subprocess.run(
        [plantuml, "-tsvg", "-nometadata", "-o", str(tmp_path), str(puml)], check=True, timeout=100
    )

    rendered = (tmp_path / f"{puml.stem}.svg").read_text("utf-8")

    assert words(rendered) == words(puml.with_suffix(".svg").read_text("utf-8"))


def words(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)
