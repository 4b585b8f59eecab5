"""What a contributor runs, and what CI runs: `nox -l`.

Every session works in the project's own environment (`.venv`), which uv brings to the
pinned versions first.
"""

import re
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
HOT_PATH = "api_hot_path"
KEPT = ("--save",)
SOURCES = ("packages", "tests", "stress-testing", "infra", "noxfile.py")


def run(session: nox.Session, *command: str) -> None:
    """Run a tool of the development group at its pinned version."""
    session.run("uv", "run", "--quiet", "--all-packages", *command, external=True)


def measure(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a program of stress-testing/."""
    session.env["PYTHONPATH"] = str(ROOT / "stress-testing")
    run(session, "python", "-m", module, *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, banned imports, and the direction of dependencies."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")
    run(session, "lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict."""
    run(session, "mypy", *SOURCES)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test that this machine can run; what is missing is skipped with a reason."""
    run(session, "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Every test again, with the branches that none of them takes."""
    run(session, "pytest", "--cov", "--cov-report=term", *session.posargs)


@nox.session
def movielens(session: nox.Session) -> None:
    """100,004 real viewing starts through a running system, compared with plain Python.

    `-- --sessions`: whole sittings, a million reports, while the system is killed.
    """
    measure(session, "datasets.movielens", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Every fault one machine can have, against real processes; `-- --long` for hours of it.

    `-- --log kafka`: the rows that concern Kafka, on three real brokers.
    """
    measure(session, "chaos", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Requests made from the OpenAPI document, with every check of Schemathesis.

    `-- --long`: at least 10,000 of them.
    """
    measure(session, "fuzz", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks; writes stress-testing/results."""
    for script in sorted((ROOT / "stress-testing" / "bench").glob("[a-z]*.py")):
        measure(session, f"bench.{script.stem}", *(KEPT if script.stem == HOT_PATH else ()))
    measure(session, "harness.report")


@nox.session(name="hot-path")
def hot_path(session: nox.Session) -> None:
    """The API's hot path beside its baselines; `-- PART --seconds 3 --rounds 1 [--save]`."""
    measure(session, f"bench.{HOT_PATH}", *session.posargs)


@nox.session
def schemas(session: nox.Session) -> None:
    """Write the published schemas, OpenAPI and AsyncAPI anew from the structs."""
    run(session, "python", "-m", "ugc_core.schemas")
    run(session, "python", "-m", "ugc_api.documentation.openapi")
    run(session, "python", "-m", "ugc_etl.asyncapi")


@nox.session
def diagrams(session: nox.Session) -> None:
    """Render architecture/*.puml to SVG (needs plantuml)."""
    pictures = sorted(map(str, (ROOT / "architecture").glob("*.puml")))
    session.run("plantuml", "-tsvg", "-nometadata", *pictures, external=True)


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the newest versions that fit, in the root pyproject.toml.

    Not in a uv.lock: that would record where each file was downloaded from.
    """
    path = ROOT / "pyproject.toml"
    text = path.read_text("utf-8")
    pattern = re.compile(r"constraint-dependencies = \[.*?\n?\]", re.DOTALL)
    path.write_text(pattern.sub("constraint-dependencies = []", text, count=1), "utf-8")
    session.run("uv", "lock", "--upgrade", "--quiet", external=True)
    exported = session.run(
        *("uv", "export", "--all-packages", "--all-groups", "--no-hashes", "--no-annotate"),
        *("--no-emit-workspace", "--no-header", "--quiet"),
        external=True,
        silent=True,
    )
    pins = [line.strip() for line in str(exported).splitlines() if "==" in line]
    listed = "".join(f'  "{pin.replace(chr(34), chr(39))}",\n' for pin in pins)
    pinned = f"constraint-dependencies = [\n{listed}]"
    path.write_text(pattern.sub(lambda _: pinned, text, count=1), "utf-8")
    tomllib.loads(path.read_text("utf-8"))
