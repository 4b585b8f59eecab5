"""Rows into the warehouse, and the ones that it refuses found."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from ugc_core.errors import RowsRefusedError, WarehouseRefusesAllError
from ugc_etl.decoding import refused_letters
from ugc_etl.ports import DeadLetter, ViewsStore
from ugc_etl.retry import Retry
from ugc_etl.rows import Rows


@dataclass(kw_only=True)
class Insertion:
    """Inserts rows in parts that the warehouse can take.

    Attributes:
        store: Where rows go.
        retry: How to wait for it.
        max_refused_in_a_row: Rows in a row that it may refuse: it would be the tables that are
            wrong then, and not the rows.
        tokens: Whether inserts carry a deduplication token.
        timer: Measures an insert, waits included.
    """

    store: ViewsStore
    retry: Retry
    max_refused_in_a_row: int
    tokens: bool = True
    timer: Callable[[], AbstractContextManager[object]] = nullcontext
    _refused: int = 0

    async def insert(self, topic: str, rows: Rows, token: str) -> Sequence[DeadLetter]:
        """Insert all rows; return the letters of those that can never be stored.

        Args:
            topic: Where the rows come from, for the letters.
            rows: The rows.
            token: Names their content; each part gets a token made of it.

        Raises:
            WarehouseRefusesAllError: Too many rows in a row were refused.
        """
        dead: list[DeadLetter] = []
        for number, part in enumerate(rows.spans()):
            dead += await self._insert(topic, part, f"{token}:{number}")
        return dead

    async def _insert(self, topic: str, rows: Rows, token: str) -> Sequence[DeadLetter]:
        """Insert rows; halve those that are refused until the bad ones stand alone.

        Each part has a token of its own, made from the whole's, so that a repeat after a
        crash splits in the same way.
        """
        if not rows:
            return []
        try:
            with self.timer():
                insert = partial(self.store.insert, rows, token=token if self.tokens else "")
                await self.retry.until_done("insert", insert)
        except RowsRefusedError as error:
            if len(rows) == 1:
                self._count_refused(topic, rows, error)
                return refused_letters(topic, rows, str(error))
            middle = len(rows) // 2
            left = await self._insert(topic, rows.slice(0, middle), f"{token}l")
            right = await self._insert(topic, rows.slice(middle, len(rows)), f"{token}r")
            return [*left, *right]
        self._refused = 0
        return []

    def _count_refused(self, topic: str, rows: Rows, error: RowsRefusedError) -> None:
        self._refused += 1
        if self._refused < self.max_refused_in_a_row:
            return
        msg = (
            f"{topic}[{rows.partition}]: the warehouse has refused {self._refused} reports in a"
            f" row, the last one at offset {rows.sources[0].offset}: {error}. Was a table changed"
            " by hand? `ugc init --plan` compares them. Nothing was committed past these reports;"
            " mend the table, or raise UGC_ETL__MAX_BAD_IN_A_ROW to set them aside"
        )
        raise WarehouseRefusesAllError(msg) from error
