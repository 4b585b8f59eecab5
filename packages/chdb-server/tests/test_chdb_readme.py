# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from chdb_server.errors import BusyError, UnusableError
from chdb_server.options import _parser

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_table_has_every_flag_and_its_default():
    documented = dict(
        re.findall(r"^\| `(--[a-z-]+)[^`]*` \| `?([^|`]+)`? \|", README, re.MULTILINE)
    )
    flags = {
        action.option_strings[0]: str(action.default)
        for action in _parser()._actions
        if action.dest != "help"
    }
    flags["--data"] = "required"
    flags["--shutdown-s"] = "10"

    assert {flag: value.strip().lower() for flag, value in documented.items()} == {
        flag: value.lower() for flag, value in flags.items()
    }


def test_the_table_has_every_exit_code():
    codes = re.findall(r"^\| (\d) \|", README, re.MULTILINE)

    assert codes == ["0", str(UnusableError.exit_code), "2", str(BusyError.exit_code)]


async def test_the_examples_run(launch, capsys):
    server = launch()
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        text = example.replace(":9000", f":{server.port}")
        text = text.replace('Client("127.0.0.1"', f'Client("127.0.0.1", {server.port}')
        code = compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        scope: dict[str, Any] = {}
        result = eval(code, scope)  # noqa: S307 - our own text
        if inspect.isawaitable(result):
            await result
        if "client" in scope:
            scope["client"].disconnect()

    assert capsys.readouterr().out == "[(3,)]\n[(1,), (2,), (3,)]\n"
    server.stop()
