"""What is said holds no secret, whatever it is made of, and no line passes for another one."""

import base64
import contextlib
import io
import json
import logging
import re
from uuid import UUID

import jwt
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.api_settings import AuthSection
from ugc_core.discretion import MASK, Discretion
from ugc_core.settings import LoggingSection, Settings
from ugc_core.telemetry import configure_logging

KEY = "0123456789abcdef0123456789abcdef"
TEXTS = st.text(max_size=60)
TOKENS = st.builds(
    lambda user, more: jwt.encode({"sub": str(user), **more}, KEY, algorithm="HS256"),
    st.uuids(),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
)
NAMES = st.text("abcxyz_", min_size=1, max_size=8).filter(lambda name: name != "event")


pytestmark = pytest.mark.usefixtures("logging_undone")


def logging_as(style: str, auth: AuthSection | None = None) -> None:
    """Configure logging as a service does."""
    settings = Settings(logging=LoggingSection(format=style), auth=auth or AuthSection())
    configure_logging(settings, service="test")


def said(style: str, event: str, fields=None, *, auth=None, error=None) -> str:
    """Log one line as a service does, and return what came out."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        logging_as(style, auth)
        structlog.get_logger().error(event, exc_info=error, **(fields or {}))
    return stderr.getvalue()


def raised(error: Exception) -> Exception:
    """Give an error a traceback, and a cause that says the same."""

    def fail() -> None:
        raise error from ValueError(str(error))

    try:
        fail()
    except Exception as found:
        return found
    raise AssertionError


STYLES = pytest.mark.parametrize("style", ["json", "console"])


@STYLES
@settings(deadline=None)
@given(token=TOKENS, before=TEXTS, after=TEXTS, name=NAMES)
def test_a_token_never_comes_out_wherever_it_stands(style, token, before, after, name):
    text = f"{before}{token} {after}"
    error = raised(RuntimeError(text))

    out = said(style, text, {name: [{"found": (text, text.encode())}, error]}, error=error)

    for part in token.split("."):
        assert part not in out


@STYLES
@settings(deadline=None)
@given(password=st.text("abcdefghij0123456789", min_size=6, max_size=30), before=TEXTS)
def test_credentials_never_come_out_in_any_of_their_forms(style, password, before):
    basic = base64.b64encode(f"docs:{password}".encode()).decode()
    found = (
        f"Authorization: Basic {basic}",
        f"(b'authorization', b'Bearer {password}X9')",
        f"postgres://user:{password}@host/database",
        f"/path?access_token={password}&x=1",
        json.dumps({"password": password, "x": 1}),
        f"-----BEGIN EC PRIVATE KEY-----\n{password}\n-----END EC PRIVATE KEY-----",
    )

    out = said(style, "found", {f"x{n}": f"{before} {text}" for n, text in enumerate(found)})

    assert basic not in out
    # The text before may hold the word itself; then it says nothing about the masks.
    assert password in before or password not in out


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "access_token",
        "docs_password",
        "Cookie",
        "body",
        "api_key",
    ],
)
def test_a_field_of_such_a_name_is_masked_at_any_depth(name):
    discretion = Discretion()

    found = discretion(None, "info", {"event": "seen", "headers": [{name: "value"}], name: b"raw"})

    assert found == {"event": "seen", "headers": [{name: MASK}], name: MASK}


def test_numbers_of_such_names_are_no_secrets():
    counts = {"event": "seen", "tokens": 3, "max_body_bytes": 16_384, "cookie": None}

    assert Discretion()(None, "info", dict(counts)) == counts


@STYLES
def test_a_configured_secret_never_comes_out_as_plain_text(style):
    auth = AuthSection(secret="correct horse battery staple")

    out = said(style, "why: correct horse battery staple", auth=auth)

    assert "horse" not in out
    assert MASK in out


ORDINARY = [
    "ugc_api.operating.metrics.ApiMetrics",
    "https://kafka-1.internal.example.com:9092/path",
    "no bearer token was sent",
    "basic authentication",
    str(UUID(int=5)),
    "2026-11-29T00:50:00.123456Z",
    "views:3:1041",
    "/api/v1/progresses/films/{film_id}/",
    "the key eyJ",
    "token=",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_no_secret_stays_as_it_is(text):
    assert Discretion().text(text) == text


@settings(deadline=None)
@given(TEXTS)
def test_a_text_that_was_looked_through_once_does_not_change_any_more(text):
    once = Discretion().text(text)

    assert Discretion().text(once) == once


CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]")


@settings(deadline=None)
@given(event=TEXTS, value=TEXTS, message=TEXTS)
def test_in_the_form_for_people_nothing_can_pass_for_another_line(event, value, message):
    out = said("console", event, error=raised(RuntimeError(message)), fields={"value": value})

    first, *others = out.removesuffix("\n").split("\n")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[error +\] ", first)
    assert all(line.startswith("  | ") or not line for line in others)
    assert not CONTROL.search(out)


@settings(deadline=None)
@given(event=TEXTS, value=TEXTS, message=TEXTS)
def test_in_the_form_for_collectors_a_line_is_one_object(event, value, message):
    out = said("json", event, error=raised(RuntimeError(message)), fields={"value": value})

    [line] = out.splitlines()
    assert isinstance(json.loads(line), dict)


@STYLES
def test_another_librarys_line_is_looked_through_as_well(style):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        logging_as(style)
        logging.getLogger("library").error("sent %s", "Bearer abcDEF123456")
        logging.getLogger("library").error("no", exc_info=raised(ValueError("token=abc123")))

    assert "abcDEF" not in stderr.getvalue()
    assert "abc123" not in stderr.getvalue()
    assert "ValueError" in stderr.getvalue()


def test_a_very_long_text_keeps_its_beginning_and_its_end():
    text = Discretion().text("begin" + "x" * 1_000_000 + "end")

    assert len(text) < 21_000
    assert text.startswith("begin")
    assert text.endswith("end")
