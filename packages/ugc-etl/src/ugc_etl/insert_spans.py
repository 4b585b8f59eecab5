"""A batch's insert in the traces of the reports that it brings home."""

from collections.abc import Iterator
from contextlib import contextmanager

from ugc_core.tracing import Tracing, contexts
from ugc_etl.batches import Batch


@contextmanager
def traced(tracing: Tracing | None, batch: Batch, lines: int) -> Iterator[None]:
    """Trace what happens in the block, if there is tracing and a traced report in the batch."""
    active = None
    if tracing is not None and (links := contexts(batch.records)):
        active = tracing.insert(links, batch.topic, lines)
    if active is None:
        yield
        return
    failed = True
    try:
        yield
        failed = False
    finally:
        active.end(failed=failed)
