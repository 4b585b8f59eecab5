"""Query parameters: `{name:Type}` becomes a literal of that type."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.binding import bind, identifier, quote

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "kind", "literal"),
    [
        ("it's", "String", r"'it\'s'"),
        ("C:\\", "String", r"'C:\\'"),
        ("a\0b", "String", r"'a\0b'"),
        (5, "UInt32", "'5'"),
        (-5, "Int64", "'-5'"),
        (True, "Bool", "'1'"),
        (1.5, "Float64", "'1.5'"),
        (UUID(int=1), "UUID", "'00000000-0000-0000-0000-000000000001'"),
        (NEW_YEAR, "DateTime64(3)", "fromUnixTimestamp64Milli(1767225600000, 'UTC')"),
        ([], "Array(UInt8)", "[]"),
        ([1, 2.5], "Array(Float64)", "[1, 2.5]"),
        (("a", "it's"), "Array(String)", r"['a', 'it\'s']"),
        ([["a"], []], "Array(Array(String))", "[['a'], []]"),
        ([True, False], "Array(Bool)", "[1, 0]"),
    ],
)
def test_a_value_becomes_a_literal_in_a_cast_that_refuses_what_does_not_fit(value, kind, literal):
    sql = bind(f"SELECT {{value:{kind}}}", {"value": value})

    assert sql == f"SELECT accurateCast({literal}, '{kind}')"


@pytest.mark.parametrize(
    "kind",
    [
        "DateTime64(3, 'UTC')",
        "DateTime64(3, 'Etc/GMT+3')",
        "DateTime64(3, 'America/Port-au-Prince')",
        "LowCardinality(Nullable(String))",
        "Map(String, Array(UInt8))",
    ],
)
def test_any_type_of_clickhouse_is_understood(kind):
    quoted = kind.replace("'", "\\'")

    assert bind(f"{{value:{kind}}}", {"value": "x"}) == f"accurateCast('x', '{quoted}')"


@pytest.mark.parametrize(
    ("moment", "ms"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC), 999),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), -500),
        (datetime(1970, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))), 0),
    ],
)
def test_a_time_is_whole_milliseconds_of_unix_time_in_any_zone(moment, ms):
    assert f"Milli({ms}, 'UTC')" in bind("{at:DateTime64(3)}", {"at": moment})


def test_a_parameter_may_be_used_twice_and_several_side_by_side():
    sql = bind("{a:UInt8}+{b:UInt8}+{a:UInt8}", {"a": 1, "b": 2})

    assert sql.count("'1'") == 2
    assert sql.count("'2'") == 1


def test_a_value_that_looks_like_a_parameter_stays_a_value():
    sql = bind("{a:String} {b:String}", {"a": "{b:String}", "b": "x"})

    assert sql == "accurateCast('{b:String}', 'String') accurateCast('x', 'String')"


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT map('a', 1)", "SELECT '{}' || '{a}'", ""])
def test_a_statement_without_parameters_stays_as_it_is(sql):
    assert bind(sql, None) == bind(sql, {}) == sql


def test_a_parameter_without_a_value_is_an_error_that_names_it():
    with pytest.raises(KeyError, match="film"):
        bind("SELECT {film:UUID}", {})


def test_a_value_without_a_parameter_is_an_error_that_names_it():
    with pytest.raises(KeyError, match="film"):
        bind("SELECT 1", {"film": UUID(int=1)})


@pytest.mark.parametrize("value", [None, b"bytes", bytearray(b"bytes"), {"a": 1}, {1}, object()])
def test_a_value_of_a_kind_that_cannot_be_sent_is_an_error(value):
    for sent in (value, [value]):
        with pytest.raises(TypeError, match="cannot send a"):
            bind("SELECT {value:String}", {"value": sent})


def test_a_time_without_a_zone_is_an_error():
    naive = NEW_YEAR.replace(tzinfo=None)

    with pytest.raises(TypeError):
        bind("SELECT {at:DateTime}", {"at": naive})


@given(st.text())
def test_no_text_ends_its_own_literal(text):
    literal = quote(text)

    inside = literal[1:-1]
    assert literal[0] == literal[-1] == "'"
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
    assert not inside.replace("\\\\", "").endswith("\\")


@given(st.text())
def test_no_name_ends_its_own_identifier(name):
    inside = identifier(name)[1:-1]

    assert "`" not in inside.replace("\\\\", "").replace("\\`", "")
    assert not inside.replace("\\\\", "").endswith("\\")
