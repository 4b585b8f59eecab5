"""What nodes say of a statement ON CLUSTER."""

import pytest

from ugc_core.cluster_ddl import refuse_unfinished
from ugc_core.errors import QueryRefusedError, WarehouseUnavailableError
from ugc_core.warehouse import Answer

SQL = "CREATE TABLE movies.views_raw_local ON CLUSTER ours\n(n UInt8)"


def said(*rows: tuple[object, ...]) -> Answer:
    names = ("host", "port", "status", "error", "num_hosts_remaining", "num_hosts_active")
    return Answer(names=names, types=(), rows=[(*row, 0, 0) for row in rows])


def test_a_statement_is_done_when_every_node_says_so():
    refuse_unfinished(said(("a", 9000, 0, ""), ("b", 9000, 0, None)), SQL)


def test_a_node_that_refuses_is_named_with_its_reason():
    answer = said(("a", 9000, 0, ""), ("b", 9001, 57, "Table exists"), ("c", 1, None, None))

    with pytest.raises(QueryRefusedError, match=r"views_raw_local.*b:9001: Table exists"):
        refuse_unfinished(answer, SQL)


def test_a_node_that_has_not_got_there_is_named_and_may_be_waited_for():
    with pytest.raises(WarehouseUnavailableError, match=r"not done yet by b:9001; .* up"):
        refuse_unfinished(said(("a", 9000, 0, ""), ("b", 9001, None, None)), SQL)


def test_no_answer_is_no_success():
    with pytest.raises(WarehouseUnavailableError, match="no node answered"):
        refuse_unfinished(said(), SQL)
