# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chdb_server.errors import DatabaseError
from chdb_server.inserts import Insert
from chdb_server.statements import Command, Select, read_statement
from chdb_server.tokens import plain_name, quoted_name, quoted_text, tokens


def insert(sql: str) -> Insert:
    statement = read_statement(sql)
    assert isinstance(statement, Insert), statement
    return statement


@pytest.mark.parametrize(
    ("sql", "target", "columns"),
    [
        ("INSERT INTO t VALUES", "t", ()),
        ("insert into t values", "t", ()),
        ("INSERT INTO t", "t", ()),
        ("INSERT INTO t (a)", "t", ("a",)),
        ("INSERT INTO TABLE db.t (a, b) VALUES ;", "db.t", ("a", "b")),
        ("INSERT INTO t FORMAT Native", "t", ()),
        ("INSERT INTO t FORMAT TabSeparated\n", "t", ()),
        ("INSERT INTO `we ird`.\"ta`ble\" (`a,)`) VALUES", '`we ird`."ta`ble"', ("a,)",)),
        ("INSERT INTO t (nested.a, `n`.`b`) VALUES", "t", ("nested.a", "n.b")),
        ("-- a\n/* b */ INSERT /* c */ INTO # d\n t -- e\n (a) VALUES -- f", "t", ("a",)),
        ("INSERT INTO FUNCTION file('a;)(.csv', 'CSV') VALUES", "file('a;)(.csv', 'CSV')", ()),
        ("INSERT INTO TABLE FUNCTION null('a UInt8') (a) VALUES", "null('a UInt8')", ("a",)),
        ("INSERT INTO FUNCTION file('x') PARTITION BY a % 2 VALUES", "file('x')", ()),
        ("INSERT INTO FUNCTION file('{_partition_id}') PARTITION BY (a, b) VALUES",
         "file('{_partition_id}')", ()),
    ],
)  # fmt: skip
def test_an_insert_whose_rows_follow_is_recognised(sql, target, columns):
    found = insert(sql)

    assert (found.target, found.columns) == (target, columns)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SETTINGS async_insert = 0, log = 'VALUES (1)' VALUES",
        "INSERT INTO t (a) SETTINGS async_insert = 0, log = 'VALUES (1)' FORMAT Native",
        "INSERT INTO t (a) FORMAT CSV SETTINGS async_insert = 0, log = 'VALUES (1)'",
        "INSERT INTO t SETTINGS async_insert = 0, log = 'VALUES (1)'",
    ],
)
def test_settings_are_kept_wherever_they_stand(sql):
    assert insert(sql).settings == "SETTINGS async_insert = 0, log = 'VALUES (1)'"


def test_a_setting_may_be_negative_or_a_map():
    found = insert("INSERT INTO t SETTINGS a = -1, b = {'x': 'VALUES'}, c = 2 VALUES")

    assert found.settings == "SETTINGS a = -1, b = {'x': 'VALUES'}, c = 2"


def test_a_column_expression_is_left_to_the_engine():
    found = insert("INSERT INTO t (* EXCEPT(b)) VALUES")

    assert (found.columns, found.column_list) == ((), "* EXCEPT(b)")


def test_the_insert_from_a_file_keeps_head_and_settings():
    found = insert("/* x */ INSERT INTO a.b (c) -- y\n SETTINGS d = 1 VALUES")

    assert found.from_file("/p'q") == (
        "INSERT INTO a.b (c) FROM INFILE '/p\\'q' COMPRESSION 'none' SETTINGS d = 1 FORMAT Native"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (';'); (1)",
        "INSERT INTO t FORMAT CSV\n1,2;3",
        "INSERT INTO t FORMAT CSV SETTINGS a = 1\n1,2",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) SELECT 1;",
        "INSERT INTO t (SELECT 1)",
        "INSERT INTO t WITH 1 AS a SELECT a",
        "INSERT INTO t SETTINGS a = 1 SELECT 1",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "WITH 1 AS a INSERT INTO t SELECT a",
        "INSERT t",
    ],
)
def test_an_insert_that_has_its_rows_goes_to_the_engine_as_it_is(sql):
    assert isinstance(read_statement(sql), Command)


def test_inline_data_is_not_touched():
    sql = "INSERT INTO t FORMAT CSV\n1;2 FORMAT x;\n"

    assert read_statement(sql) == Command(sql)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 -- end", "SELECT 1"),
        ("SELECT ';' ; -- end", "SELECT ';'"),
        ("(SELECT 1) UNION ALL (SELECT 2);", "(SELECT 1) UNION ALL (SELECT 2)"),
        ("FROM t SELECT a", "FROM t SELECT a"),
        ("WITH 1 AS a SELECT a", "WITH 1 AS a SELECT a"),
        ("SELECT 1 FORMAT JSON", "SELECT 1 "),
        ("SELECT * FORMAT JSON;", "SELECT * "),
        ("SELECT f(1) format TSV", "SELECT f(1) "),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1", "SELECT 1 SETTINGS a = 1"),
        ("SELECT 1 INTO OUTFILE 'x' FORMAT CSV", "SELECT 1 "),
        ("SELECT 1 SETTINGS a = 1 FORMAT CSV", "SELECT 1 SETTINGS a = 1 "),
        ("SELECT format FROM t", "SELECT format FROM t"),
        ("SELECT a AS format", "SELECT a AS format"),
        ("SELECT format f", "SELECT format f"),
        ("SELECT a FROM format f", "SELECT a FROM format f"),
        ("SELECT a FROM t FORMAT f", "SELECT a FROM t "),
        ("SELECT ' FORMAT x'", "SELECT ' FORMAT x'"),
        ("SELECT (SELECT 1 FORMAT x)", "SELECT (SELECT 1 FORMAT x)"),
        ("SELECT $$ ; ' FORMAT x $$", "SELECT $$ ; ' FORMAT x $$"),
    ],
)
def test_a_select_loses_what_is_for_the_client(sql, text):
    assert read_statement(sql) == Select(text)


def test_other_statements_are_commands():
    assert read_statement("SHOW TABLES FORMAT JSON") == Command("SHOW TABLES ")
    assert read_statement("") == Command("")
    assert read_statement("-- nothing") == Command("-- nothing")
    assert read_statement(";") == Command(";")


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD COLUMN format String",
        "ALTER TABLE t RENAME COLUMN format TO kind",
        "CREATE TABLE t (format String) ENGINE = Memory",
        "DROP TABLE t; -- end",
    ],
)
def test_a_command_goes_to_the_engine_as_it_is(sql):
    assert read_statement(sql) == Command(sql)


def test_set_changes_the_session():
    assert read_statement("/* x */ set a = 1;") == Command("/* x */ set a = 1;", True)


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "DROP TABLE a; DROP TABLE b", "INSERT INTO t SELECT 1; SELECT 2"]
)
def test_several_statements_are_refused(sql):
    with pytest.raises(DatabaseError) as caught:
        read_statement(sql)

    assert caught.value.code == 62


@given(st.text())
def test_any_name_survives_quoting(name):
    (token,) = tokens(quoted_name(name))

    assert plain_name(token) == name


def test_escapes_in_names_are_understood():
    names = [plain_name(token) for token in tokens(r'`a\nb` `c``d` "e""f" `g\`h` i')]

    assert names == ["a\nb", "c`d", 'e"f', "g`h", "i"]


def test_a_broken_settings_clause_is_left_to_the_engine():
    assert insert("INSERT INTO t SETTINGS a VALUES").settings == "SETTINGS a"


@given(st.text())
def test_any_text_is_one_token(text):
    assert len(list(tokens(quoted_text(text)))) == 1


@given(st.text(alphabet="INSERT INTO t(a)'`\";-/*#$ \nVALUES"))
def test_no_text_breaks_the_reading(sql):
    with suppress(DatabaseError):  # several statements
        read_statement(sql)
