# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import pytest

from chdb_server.login import Login
from chdb_server.packets import Hello


def hello(*, user: str = "default", password: str = "") -> Hello:
    return Hello(revision=54440, database="", user=user, password=password)


@pytest.mark.parametrize(
    ("user", "password", "admitted"),
    [
        ("reader", "pässword", True),
        ("reader", "", False),
        ("reader", "pässwor", False),
        ("default", "pässword", False),
        ("", "pässword", False),
        ("reader\udcff", "\udcff", False),
    ],
)
def test_both_have_to_match(user, password, admitted):
    login = Login(user="reader", password="pässword")

    assert login.admits(hello(user=user, password=password)) is admitted


def test_no_user_is_the_default_one():
    assert Login().admits(hello(user=""))


def test_no_password_is_shown():
    shown = repr(Login(password="secret")) + repr(hello(password="secret"))

    assert "secret" not in shown
