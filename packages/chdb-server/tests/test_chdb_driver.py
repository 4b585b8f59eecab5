"""clickhouse-driver: another code base than asynch's since 2019, and without asyncio."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

from datetime import UTC, datetime
from uuid import UUID

import pytest
from clickhouse_driver import Client, errors


@pytest.fixture(params=[False, True, "lz4hc"])
def client(server, database, request):
    made = Client("127.0.0.1", port=server.port, database=database, compression=request.param)
    yield made
    made.disconnect()


def test_rows_come_back(client):
    at = datetime(2026, 10, 1, 12, 0, 0, 5000, tzinfo=UTC)
    rows = [
        (UUID(int=number), number, at, f"kind {number % 3}", [number] * (number % 4), None)
        for number in range(1000)
    ]
    client.execute(
        "CREATE TABLE t (id UUID, n UInt64, at DateTime64(3, 'UTC'), kind LowCardinality(String),"
        " list Array(UInt32), maybe Nullable(String)) ENGINE = MergeTree ORDER BY n"
    )

    assert client.execute("INSERT INTO t VALUES", rows) == 1000
    assert client.execute("SELECT * FROM t ORDER BY n") == rows


def test_strings_are_bytes(client):
    raw = bytes(range(256))
    as_bytes = {"strings_as_bytes": True}
    client.execute("CREATE TABLE t (s String) ENGINE = Memory")
    client.execute("INSERT INTO t VALUES", [(raw,)], settings=as_bytes)

    assert client.execute("SELECT s FROM t", settings=as_bytes) == [(raw,)]


def test_columns_have_names_and_types(client):
    rows, columns = client.execute("SELECT 1 AS a, 'x' AS b", with_column_types=True)

    assert (rows, columns) == ([(1, "x")], [("a", "UInt8"), ("b", "String")])


def test_rows_in_the_text_of_an_insert_are_stored_before_it_is_acknowledged(client):
    client.execute("CREATE TABLE t (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    client.execute("INSERT INTO t VALUES (1, ';'), (2, 'FORMAT x')")

    assert client.execute("SELECT * FROM t ORDER BY a") == [(1, ";"), (2, "FORMAT x")]


def test_a_long_result_can_be_left_half_way(client):
    for _ in client.execute_iter("SELECT number FROM numbers(10000000)"):
        break
    client.disconnect()

    assert client.execute("SELECT 1") == [(1,)]


def test_a_cancelled_query_ends_without_an_error(client):
    progress = client.execute_with_progress("SELECT number FROM numbers(100000000000)")

    client.cancel()

    assert progress is not None
    assert client.execute("SELECT 1") == [(1,)]


def test_an_error_has_its_code(client):
    with pytest.raises(errors.ServerException) as caught:
        client.execute("SELECT * FROM nowhere")

    assert caught.value.code == errors.ErrorCodes.UNKNOWN_TABLE
    assert client.execute("SELECT 1") == [(1,)]


def test_columns_can_be_inserted_as_columns(client):
    client.execute("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    client.execute("INSERT INTO t (b, a) VALUES", [["x", "y"], [1, 2]], columnar=True)

    assert client.execute("SELECT a, b FROM t ORDER BY a") == [(1, "x"), (2, "y")]
