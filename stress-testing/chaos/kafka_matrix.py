"""The rows of the fault matrix that are played on three real brokers."""

from collections.abc import Awaitable, Callable, Sequence

from chaos.matrix import Row
from chaos.rows import brokers, groups, letters, lines, pipeline, refusals
from chaos.trial import Stage, Verdict


def _row(
    name: str,
    fault: str,
    play: Callable[[Stage], Awaitable[Verdict]],
    *,
    pipeline: bool = False,
    seeds: int = 5,
) -> Row:
    return Row(name=name, fault=fault, play=play, pipeline=pipeline, seeds=seeds, log="kafka")


KAFKA_ROWS: Sequence[Row] = (
    _row("1", "a broker killed and restarted", brokers.broker_killed),
    _row("2", "a broker stopped for 45 s", brokers.broker_hung, seeds=1),
    _row("3", "all brokers down for 10 min", brokers.all_down, seeds=1),
    _row("4", "a partition's leader bounced 5 times", brokers.leader_bounced),
    _row("5", "OutOfOrderSequence from the broker", lines.out_of_order),
    _row("6a", "half-open, lossy, slow TCP to Kafka", lines.bad_line_to_kafka, seeds=1),
    _row("6b", "the same to ClickHouse", lines.bad_line_to_warehouse, pipeline=True, seeds=1),
    _row("7a", "log truncated below the position", groups.truncated),
    _row("7b", "commits expired; and truncated, too", groups.commits_expired, pipeline=True),
    _row("7c", "partitions added under traffic", groups.partitions_added),
    _row("10", "players leave in mid-produce", lines.clients_leave),
    _row("12", "rebalance in mid-insert", groups.rebalanced, pipeline=True),
    _row("13", "ETL killed before the commit", pipeline.killed_before_commit, pipeline=True),
    _row("14", "answer of an insert lost", pipeline.answer_lost, pipeline=True),
    _row("16", "ClickHouse takes and never answers", lines.warehouse_silent, seeds=1),
    _row("17", "read-only, too many parts, memory limit", refusals.warehouse_refuses),
    _row("19", "same batch past the window", pipeline.past_the_window, pipeline=True),
    _row("20", "poison: few, then all", letters.poison, pipeline=True),
    _row("21", "topic of the dead letters is gone", letters.letters_refused, pipeline=True),
)
