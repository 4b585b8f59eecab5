"""chDB itself says what a block of any type looks like; we only have to find its end."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio

import chdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chdb_server.blocks import Column, columns_of, header, pass_block, pass_block_info, split_blocks
from chdb_server.column_types import layout
from chdb_server.errors import ProtocolError, UnmeasurableTypeError
from chdb_server.wire import Reader, over, string, varint

PLAIN = [
    "UInt8", "Int16", "UInt32", "Int64", "UInt128", "Int256", "Float32", "Float64", "Bool",
    "Date", "Date32", "DateTime", "DateTime('Europe/Berlin')", "DateTime64(3, 'UTC')",
    "UUID", "IPv4", "IPv6", "Decimal(9, 2)", "Decimal(18, 4)", "Decimal(38, 4)", "Decimal(76, 4)",
    "Enum8('a' = 1, 'b,)' = 2)", "Enum16('it\\'s' = -5, 'b' = 300)", "FixedString(7)", "String",
]  # fmt: skip

IN_A_DICTIONARY = ["String", "FixedString(3)", "UInt32", "Date", "Nullable(String)", "UUID"]

MAP_KEYS = ["String", "UInt32", "LowCardinality(String)", "UUID", "Date"]


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map("Array({})".format),
        st.tuples(st.sampled_from(MAP_KEYS), inner).map(lambda pair: "Map({}, {})".format(*pair)),
        st.lists(inner, min_size=1, max_size=3).map(lambda types: f"Tuple({', '.join(types)})"),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda types: "Tuple(" + ", ".join(f"`n {i},)` {t}" for i, t in enumerate(types)) + ")"
        ),
    )


LEAVES = st.one_of(
    st.sampled_from(PLAIN),
    st.sampled_from(PLAIN).map("Nullable({})".format),
    st.sampled_from(IN_A_DICTIONARY).map("LowCardinality({})".format),
)
TYPES = st.recursive(LEAVES, nested, max_leaves=5)


@pytest.fixture(scope="module")
def connection(engine_directory):
    opened = chdb.connect(str(engine_directory))
    opened.query(
        "SET allow_suspicious_low_cardinality_types = 1, allow_suspicious_types_in_order_by = 1"
    )
    yield opened
    opened.close()


def random_block(connection, types: list[str], rows: int, seed: int) -> bytes:
    structure = ", ".join(f"c{number} {name}" for number, name in enumerate(types))
    quoted = structure.replace("\\", "\\\\").replace("'", "\\'")
    sql = f"SELECT * FROM generateRandom('{quoted}', {seed}, 20, 3) LIMIT {rows}"
    return connection.query(sql, "Native").bytes()


def in_pieces(data: bytes, sizes: list[int]) -> Reader:
    left = data

    async def source() -> bytes:
        nonlocal left
        size = sizes.pop() if sizes else len(left)
        piece, left = left[:size], left[size:]
        return piece

    return Reader(source)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    types=st.lists(TYPES, min_size=1, max_size=4),
    rows=st.integers(1, 40),
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 200), max_size=20),
)
def test_any_block_is_measured_to_the_last_byte(connection, types, rows, seed, sizes):
    block = random_block(connection, types, rows, seed)
    kept: list[bytes] = []

    async def run():
        reader = in_pieces(b"before" + block + b"!", sizes)
        await reader.skip(len(b"before"))
        shape = await pass_block(reader, kept.append)
        return shape, await reader.byte()

    shape, after = asyncio.run(run())

    assert after == ord("!")
    assert b"".join(kept) == block
    assert shape.rows == rows
    assert [column.name for column in shape.columns] == [f"c{n}" for n in range(len(types))]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (1.5, 2.5)::Point AS p, [[(0, 0), (1, 1)]]::Polygon AS q FROM numbers(3)",
        "SELECT toIntervalDay(number) AS d, 1::BFloat16 AS b, NULL AS n, [] AS e FROM numbers(3)",
        "SELECT sumSimpleState(number) AS s, anySimpleState(toString(number)) AS a FROM numbers(3)",
        "SELECT toLowCardinality(toString(number)) AS k FROM numbers(70000)",
        "SELECT repeat('x', number) AS s FROM numbers(300)",
        "SELECT repeat('x', 20000) AS s FROM numbers(3)",
        "SELECT '' AS s, [] :: Array(LowCardinality(String)) AS e FROM numbers(3)",
    ],
)
async def test_special_columns_are_measured(connection, sql):
    data = connection.query(sql, "Native").bytes()
    blocks = await split_blocks(data)

    assert b"".join(blocks) == data
    assert blocks


async def test_a_header_has_the_columns_and_no_rows():
    columns = (Column("a", "UInt8"), Column("b", "String"))

    assert await columns_of(header(columns)) == columns


@pytest.mark.parametrize(
    "type_name",
    [
        "AggregateFunction(uniq, UInt64)", "JSON", "Dynamic", "Variant(String, UInt8)",
        "Array(AggregateFunction(uniq, UInt64))", "Tuple()", "Nonsense", "FixedString(x)",
        "Decimal(99, 1)", "Array", "LowCardinality()", "Array(" * 60 + "UInt8" + ")" * 60,
    ],
)  # fmt: skip
def test_a_type_without_an_end_is_named(type_name):
    with pytest.raises(UnmeasurableTypeError) as caught:
        layout(type_name)

    assert type_name in str(caught.value)


async def test_no_row_of_such_a_type_is_guessed_at():
    block = varint(1) + varint(1) + string("c") + string("JSON") + b"rest"

    with pytest.raises(UnmeasurableTypeError):
        await pass_block(over(block))


async def test_a_block_of_absurdly_many_columns_is_refused():
    with pytest.raises(ProtocolError):
        await pass_block(over(varint(1 << 40) + varint(0)))


async def test_a_shared_dictionary_is_refused():
    flags = (1 << 8).to_bytes(8, "little")
    head = varint(1) + varint(1) + string("c") + string("LowCardinality(String)")

    with pytest.raises(ProtocolError):
        await pass_block(over(head + bytes(8) + flags))


async def test_an_unknown_field_before_a_block_is_refused():
    with pytest.raises(ProtocolError):
        await pass_block_info(over(b"\x07"))
