"""The matrices by the log that they are played on, and what their reports are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.kafka_matrix import KAFKA_ROWS
from chaos.matrix import ROWS, Log, Row

_FILE = """\
Written by `nox -s chaos -- --long`: real processes in embedded mode, with traffic before, during
and after each fault. **Lost** is accepted and not stored, **phantom** is stored and not sent,
**doubled** is stored twice: sets of ids, never counts. Other differences are any row's content,
playback ledger, resume point, audience number, pipeline ledger or dead letter that is not as plain
Python computes it from the senders' journal, a service that holds a tenth more memory at the end
than before the first fault, a recovery that takes over a minute, and whatever a row expects
besides. The rows that concern the pipeline are played without deduplication tokens, too
([chaos.json](chaos.json): `no tokens`, and the commit of each run). **In earlier tries** counts
runs that differed and were played again; what they found is kept there."""
_KAFKA = """\
Written by `nox -s chaos -- --long --log kafka`: the product's programs as separate processes on
three real Apache Kafka brokers (three copies, two in sync), with the product's own settings and
with traffic before, during and after each fault. **Lost** is accepted and not stored, **phantom**
is stored and not sent, **doubled** is stored twice: sets of ids, never counts. Other differences
are as in [chaos.md](chaos.md), which has the rows of the embedded log. Row 18 needs replicas and
shards: `tests/cluster` plays it on a real cluster of four ClickHouse nodes, and
[infra/README.md](../../infra/README.md) says what that proves. **In earlier tries** counts runs
that differed and were played again; [chaos_kafka.json](chaos_kafka.json) keeps what they found,
and the commit of each run."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Rows that are played together.

    Attributes:
        name: Of their result files.
        title: Of their report.
        preface: What it says before the table.
        rows: These.
    """

    name: str
    title: str
    preface: str
    rows: Sequence[Row]


MATRICES: Mapping[Log, Matrix] = {
    "file": Matrix(name="chaos", title="Chaos report", preface=_FILE, rows=ROWS),
    "kafka": Matrix(
        name="chaos_kafka", title="Chaos report: Kafka", preface=_KAFKA, rows=KAFKA_ROWS
    ),
}
