"""What an image installs from the package index, read from the pyproject files alone.

`python requirements.py ugc-api` prints what that package and its siblings need of others,
`--siblings ugc-api` the folders of ours, `--constraints` the pins of the whole repository.
So an image's layer of third-party packages is built anew only when one of those changes.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SIBLING = re.compile(r"^(?P<name>[a-z-]+) @ \{root:parent:uri\}/(?P=name)/\.$")
_ASKED = re.compile(r"^(?P<name>[a-z-]+)(?:\[(?P<extra>[a-z-]+)\])?$")


def siblings(asked: str) -> list[str]:
    """Return the packages of ours that one needs, itself included, dependencies first."""
    name, _ = _parts(asked)
    found: list[str] = []
    for requirement in _project(name)["dependencies"]:
        if sibling := _SIBLING.match(requirement):
            found += [one for one in siblings(sibling["name"]) if one not in found]
    return [*found, name]


def third_party(asked: str) -> Iterator[str]:
    """Yield what a package and its siblings need of others; `name[extra]` is understood."""
    name, extra = _parts(asked)
    for package in siblings(name):
        needs = _project(package)["dependencies"]
        yield from (one for one in needs if not _SIBLING.match(one))
    if extra:
        yield from _project(name)["optional-dependencies"][extra]


def constraints() -> Sequence[str]:
    """Return the pins."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    pins: list[str] = tool["uv"]["constraint-dependencies"]
    return pins


def _parts(asked: str) -> tuple[str, str | None]:
    found = _ASKED.match(asked)
    if found is None:
        msg = f"{asked!r} is no package of ours"
        raise SystemExit(msg)
    return found["name"], found["extra"]


def _project(name: str) -> dict[str, dict[str, list[str]]]:
    path = ROOT / "packages" / name / "pyproject.toml"
    project: dict[str, dict[str, list[str]]] = tomllib.loads(path.read_text("utf-8"))["project"]
    return project


def main() -> None:
    """Print what was asked for, one a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", nargs="?")
    parser.add_argument("--siblings", action="store_true")
    parser.add_argument("--constraints", action="store_true")
    options = parser.parse_args()
    if options.constraints:
        lines = list(constraints())
    elif options.siblings:
        lines = [f"./packages/{name}" for name in siblings(options.package)]
    else:
        lines = sorted(set(third_party(options.package)))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
