"""ClickHouse's error codes, sorted by what the caller does next."""

import pytest

from ugc_core import clickhouse_errors
from ugc_core.clickhouse_errors import refused_insert, refused_query
from ugc_core.errors import (
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    WarehouseUnavailableError,
)

WORLD = [159, 164, 202, 209, 210, 225, 241, 242, 243, 252, 254, 285, 319, 341, 394, 425, 999, 1002]
VALUE = [6, 53, 69, 70, 117, 131, 321, 349, 407, 469]
NAME = [8, 16, 47, 60, 81]
STATEMENT = [0, 36, 43, 46, 62, 192, 395, 497, 516]


@pytest.mark.parametrize("code", WORLD)
def test_what_the_world_can_mend_is_worth_another_try(code):
    assert isinstance(refused_query(code, "x"), WarehouseUnavailableError)
    assert isinstance(refused_insert(code, "x"), WarehouseUnavailableError)


@pytest.mark.parametrize("code", VALUE)
def test_a_value_that_does_not_fit_refuses_the_rows_of_an_insert(code):
    assert isinstance(refused_insert(code, "x"), RowsRefusedError)


@pytest.mark.parametrize("code", NAME)
def test_a_name_that_is_not_there_is_another_schema_and_names_the_way_out(code):
    error = refused_insert(code, "x")

    assert isinstance(error, SchemaMismatchError)
    assert "ugc init" in str(error)


@pytest.mark.parametrize("code", [*VALUE, *NAME, *STATEMENT])
def test_a_read_has_no_rows_and_no_tables_of_its_own_to_blame(code):
    assert isinstance(refused_query(code, "x"), QueryRefusedError)


@pytest.mark.parametrize("code", STATEMENT)
def test_an_insert_that_is_refused_for_another_reason_costs_no_row(code):
    assert isinstance(refused_insert(code, "x"), QueryRefusedError)


def test_no_code_and_no_name_stands_twice():
    tables = (
        clickhouse_errors._TRY_AGAIN,
        clickhouse_errors._BAD_VALUE,
        clickhouse_errors._NO_SUCH_THING,
    )
    codes = [code for table in tables for code in table]
    names = [name for table in tables for name in table.values()]

    assert len({*codes}) == len(codes)
    assert len({*names}) == len(names)


@pytest.mark.parametrize("refused", [refused_query, refused_insert])
def test_the_error_says_what_clickhouse_said_once(refused):
    error = refused(241, "DB::Exception: Memory limit exceeded")

    assert str(error) == "ClickHouse says (code 241): Memory limit exceeded"
