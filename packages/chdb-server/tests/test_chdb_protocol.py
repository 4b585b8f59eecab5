"""What clients seldom do, or should not."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import pytest

from chdb_server.blocks import Column, header
from chdb_server.compression import Method
from chdb_server.packets import ServerPacket
from chdb_server.wire import string, varint

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def one_column(values: list[int], *, name: str = "a", type_name: str = "UInt8") -> bytes:
    head = varint(1) + varint(len(values)) + string(name) + string(type_name)
    return head + bytes(values)


@pytest.mark.parametrize("method", list(Method))
async def test_every_packing_is_read_and_answered_in_kind(server, database, method):
    table = f"{database}.t"
    await server.rows(f"CREATE TABLE {table} (a UInt8) ENGINE = Memory")
    async with server.raw() as client:
        client.query(f"INSERT INTO {table} VALUES", packed=method)
        client.end(packed=method)
        expected = await client.packet()
        client.block(one_column([1, 2, 3]), packed=method)
        client.block(one_column([4]), packed=method)
        client.end(packed=method)

        assert expected.shape.columns == (Column("a", "UInt8"),)
        assert (await client.packet()).kind is ServerPacket.END_OF_STREAM
        assert client.method is method
    assert await server.rows(f"SELECT sum(a) FROM {table}") == [(10,)]


async def test_requests_sent_ahead_are_answered_in_order(server):
    async with server.raw() as client:
        for number in range(3):
            client.query(f"SELECT toUInt8({number} + sleep(0.1))")
            client.end()
        client.ping()

        for number in range(3):
            columns, rows, end = [await client.packet() for _ in range(3)]
            assert (columns.shape.rows, rows.block[-1]) == (0, number)
            assert end.kind is ServerPacket.END_OF_STREAM
        assert (await client.packet()).kind is ServerPacket.PONG


async def test_a_cancel_ends_the_query_without_an_error(server, until):
    async with server.raw() as client:
        client.query(f"SELECT ({ENDLESS}) AS to_cancel")
        client.end()

        async def runs():
            return await server.running("to_cancel")

        await until(runs)
        client.cancel()

        assert (await client.last_packet()).kind is ServerPacket.END_OF_STREAM
        assert not await runs()
        client.ping()
        assert (await client.packet()).kind is ServerPacket.PONG


async def test_a_cancel_ends_a_long_result(server):
    async with server.raw() as client:
        client.query("SELECT number FROM numbers(1000000000000)")
        client.end()
        for _ in range(3):
            await client.packet()
        client.cancel()

        assert (await client.last_packet()).kind is ServerPacket.END_OF_STREAM


async def test_a_cancel_ends_an_insert_in_the_engine(server, database, until):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Null", database=database)
    view = f"CREATE MATERIALIZED VIEW v ENGINE = Null AS SELECT a, ({ENDLESS}) FROM t"
    await server.rows(view, database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.block(one_column([1]))
        client.end()

        async def runs():
            return await server.running(f"INSERT INTO {database}.t")

        await until(runs)
        client.cancel()

        assert (await client.packet()).kind is ServerPacket.END_OF_STREAM


async def test_a_cancel_when_nothing_runs_is_nothing(server):
    async with server.raw() as client:
        client.cancel()
        client.ping()

        assert (await client.packet()).kind is ServerPacket.PONG


async def test_a_lost_client_ends_its_query(server, until):
    async with server.raw() as client:
        client.query(f"SELECT ({ENDLESS}) AS to_lose")
        client.end()

        async def runs():
            return await server.running("to_lose")

        await until(runs)

    async def ended():
        return not await runs()

    await until(ended)


async def test_a_cancel_in_mid_insert_leaves_no_row(server, database):
    table = f"{database}.t"
    await server.rows(f"CREATE TABLE {table} (a UInt8) ENGINE = Memory")
    async with server.raw() as client:
        client.query(f"INSERT INTO {table} VALUES")
        client.end()
        await client.packet()
        client.block(one_column([1, 2, 3]))
        client.cancel()

        assert (await client.packet()).kind is ServerPacket.END_OF_STREAM
        client.ping()
        assert (await client.packet()).kind is ServerPacket.PONG
    assert await server.rows(f"SELECT count() FROM {table}") == [(0,)]


async def test_a_client_that_dies_in_mid_insert_leaves_no_row_and_no_buffer(
    server, database, until
):
    table = f"{database}.t"
    await server.rows(f"CREATE TABLE {table} (a UInt8) ENGINE = Memory")
    async with server.raw() as client:
        client.query(f"INSERT INTO {table} VALUES")
        client.end()
        await client.packet()
        client.block(one_column([1, 2, 3]))
        client.block(one_column([4] * 100)[:-50])
        await client.writer.drain()
        assert server.buffered_inserts() == 1
        client.writer.transport.abort()

    async def released():
        return server.buffered_inserts() == 0

    await until(released)
    assert await server.rows(f"SELECT count() FROM {table}") == [(0,)]


async def test_an_insert_without_rows_is_no_error(server, database):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.block(header([Column("a", "UInt8")]))
        client.end()

        assert (await client.packet()).kind is ServerPacket.END_OF_STREAM


async def test_other_types_than_asked_for_are_converted(server, database):
    await server.rows("CREATE TABLE t (a UInt64) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.block(one_column([7]))
        client.end()

        assert (await client.packet()).kind is ServerPacket.END_OF_STREAM
    assert await server.rows(f"SELECT a FROM {database}.t") == [(7,)]


@pytest.mark.parametrize("type_name", ["JSON", "AggregateFunction(sum, UInt8)"])
async def test_a_block_without_an_end_closes_the_connection(server, database, type_name):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.block(one_column([1], type_name=type_name))

        error = await client.packet()
        assert (error.code, type_name in error.text) == (48, True)
        with pytest.raises(EOFError):
            await client.packet()


async def test_an_aggregate_state_can_be_read(server):
    async with server.raw() as client:
        client.query("SELECT sumState(1)")
        client.end()
        columns = await client.packet()

        assert columns.shape.columns[0].type_name == "AggregateFunction(sum, UInt8)"


async def test_external_tables_are_refused_and_the_connection_goes_on(server):
    async with server.raw() as client:
        client.query("SELECT * FROM extra")
        client.block(one_column([1, 2]), name="extra")
        client.end()

        error = await client.packet()
        assert (error.code, "external tables" in error.text) == (48, True)
        client.ping()
        assert (await client.packet()).kind is ServerPacket.PONG


async def test_a_part_of_a_query_is_refused(server):
    async with server.raw() as client:
        client.query("SELECT 1", stage=1)

        assert (await client.packet()).code == 48


async def test_an_unknown_packet_is_refused(server):
    async with server.raw() as client:
        client.send(varint(99))

        assert "packet 99" in (await client.packet()).text
        with pytest.raises(EOFError):
            await client.packet()


async def test_another_packet_than_rows_is_refused(server, database):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.ping()

        assert "packet 4" in (await client.packet()).text


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_another_protocol_is_told_so(server, raw_client, first):
    async with raw_client.connect(server.port) as client:
        client.send(first)

        assert "native protocol" in (await client.packet()).text


async def test_a_query_without_client_info_is_answered(server):
    async with server.raw() as client:
        client.send(varint(1), string(""), b"\0", string(""), varint(2), varint(0))
        client.send(string("SELECT 1"))
        client.end()

        assert (await client.last_packet()).kind is ServerPacket.END_OF_STREAM


async def test_an_old_client_s_unknown_setting_is_refused(server, raw_client):
    """Nothing says where its value ends."""
    async with raw_client.connect(server.port) as client:
        client.hello(revision=54412)
        await client.packet()
        client.send(varint(1), string(""), b"\0", string("compile"), varint(1))

        assert (await client.packet()).code == 115


async def test_a_client_of_before_2018_is_told_so(server, raw_client):
    async with raw_client.connect(server.port) as client:
        client.hello(revision=54400)

        assert "54400" in (await client.packet()).text


@pytest.mark.parametrize("login", [{"user": "other"}, {"password": "guess"}, {"user": "é\0"}])
async def test_a_wrong_login_is_refused(server, raw_client, login):
    async with raw_client.connect(server.port) as client:
        client.hello(**login)

        error = await client.packet()
        assert (error.code, "guess" in error.text) == (516, False)
        with pytest.raises(EOFError):
            await client.packet()


async def test_the_reason_arrives_although_the_client_is_still_sending(server, database):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"INSERT INTO {database}.t VALUES")
        client.end()
        await client.packet()
        client.block(one_column([1], type_name="JSON"))
        client.send(bytes(20 << 20))

        assert (await client.packet()).code == 48
