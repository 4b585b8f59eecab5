# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import re

from chdb_server import errors


def below(cls: type) -> set[type]:
    children: set[type] = set(cls.__subclasses__())
    return children.union(*map(below, children))


def test_the_docstring_names_every_error():
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or ""))

    assert drawn == {cls.__name__ for cls in below(errors.ServerError)} | {"ServerError"}


def test_every_error_is_told_to_someone():
    branches = {cls.__name__ for cls in errors.ServerError.__subclasses__()}

    assert branches == {"DatabaseError", "ProtocolError", "ClientGoneError", "StartError"}
