"""Pages for people behind the `type` of every problem."""

from collections.abc import Mapping
from html import escape
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Response

from ugc_api import media_types
from ugc_api.problems import kinds
from ugc_api.problems.examples import example, example_headers
from ugc_api.problems.kinds import KINDS, Kind
from ugc_api.problems.problem import FieldError, Problem, ProblemError
from ugc_core.schemas import attributes

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "public, max-age=3600"}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto;
  padding: 0 1rem; }}
code, pre {{ font-size: .95em; }}
pre {{ overflow-x: auto; padding: .75rem; background: #8882; }}
dt {{ font-family: monospace; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #ddd; }}
  a {{ color: #8cf; }}
}}
</style></head><body>{body}</body></html>
"""


def add_problem_routes(app: FastAPI) -> None:
    """Add one page for each kind, and the list of all."""

    async def index() -> Response:
        rows = "".join(
            f'<li><a href="{kind.uri}">{escape(kind.title)}</a> ({kind.status})</li>'
            for kind in KINDS.values()
        )
        return _page("Problems", f"<h1>Problems</h1><ul>{rows}</ul>")

    async def page(slug: str) -> Response:
        kind = KINDS.get(slug)
        if kind is None:
            raise ProblemError(kinds.NO_SUCH_PATH, "There is no such kind of problem.")
        return _page(kind.title, _describe(kind))

    app.add_api_route("/problems/", index, include_in_schema=False)
    app.add_api_route("/problems/{slug}", page, include_in_schema=False)


def _describe(kind: Kind) -> str:
    return (
        f"<h1>{escape(kind.title)}</h1>"
        f"<p>HTTP status <strong>{kind.status}</strong>, type <code>{kind.uri}</code></p>"
        f"<h2>What to do</h2><p>{escape(kind.advice)}</p>"
        f"<h2>What it looks like</h2><pre>{escape(_occurrence(kind))}</pre>"
        f"<h2>Its fields</h2>{_terms(attributes(Problem.__doc__ or '')[1])}"
        f"<p>Each of <code>errors</code>:</p>{_terms(attributes(FieldError.__doc__ or '')[1])}"
        f'<p><a href="{kinds.BASE}">All problems</a></p>'
    )


def _occurrence(kind: Kind) -> str:
    """Return an answer as it comes over the wire."""
    headers = {"Content-Type": media_types.PROBLEM, **example_headers(kind)}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = msgspec.json.format(msgspec.json.encode(example(kind)), indent=2).decode()
    return "\n".join([f"{kind.status} {HTTPStatus(kind.status).phrase}", *lines, "", body])


def _terms(words: Mapping[str, str]) -> str:
    listed = "".join(f"<dt>{escape(t)}</dt><dd>{escape(text)}</dd>" for t, text in words.items())
    return f"<dl>{listed}</dl>"


def _page(title: str, body: str) -> Response:
    content = _PAGE.format(title=escape(title), body=body)
    return Response(content, 200, _HEADERS, "text/html; charset=utf-8")
