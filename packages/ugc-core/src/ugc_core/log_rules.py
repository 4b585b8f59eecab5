"""Decisions about a log that every adapter makes in the same way."""

from collections.abc import Callable, Mapping, Sequence

from ugc_core.errors import ConfigError, InUseError, OffsetOutOfRangeError
from ugc_core.log import ChangeKind, Topic, TopicChange, Watermarks
from ugc_core.log_operator import Member

_MOST_SEGMENT_MS = 3_600_000
_SWEEP_MS = 360_000
"""Kafka looks for old segments every five minutes and deletes their files a minute later."""


def segment_ms(retention_ms: int) -> int:
    """Return how long a broker fills one file of a partition, in milliseconds.

    A record goes with its file, once the newest record in it is too old; with Kafka's own
    setting that may be a week later.
    """
    return max(min(_MOST_SEGMENT_MS, retention_ms // 4), 1)


def gone_after_ms(retention_ms: int) -> int:
    """Return how long after its append a record may still lie on a broker, in milliseconds."""
    return retention_ms + segment_ms(retention_ms) + _SWEEP_MS


def plan_topics(there: Mapping[str, Topic], wanted: Sequence[Topic]) -> list[TopicChange]:
    """Return the steps from what is there to what is wanted.

    Raises:
        ConfigError: A topic would have to lose partitions.
    """
    changes: list[TopicChange] = []
    for topic in wanted:
        found = there.get(topic.name)
        if found is None:
            summary = f"create topic {topic.name}, {topic.partitions} partitions"
            changes.append(TopicChange(kind=ChangeKind.CREATE, topic=topic, summary=summary))
        elif topic.partitions < found.partitions:
            msg = (
                f"topic {topic.name} has {found.partitions} partitions and cannot shrink to"
                f" {topic.partitions}; set UGC_LOG__PARTITIONS={found.partitions}"
            )
            raise ConfigError(msg)
        elif topic.partitions > found.partitions:
            summary = (
                f"grow topic {topic.name}, {found.partitions} -> {topic.partitions} partitions"
            )
            changes.append(TopicChange(kind=ChangeKind.GROW, topic=topic, summary=summary))
        elif topic.retention_ms != found.retention_ms:
            hours = topic.retention_ms / 3_600_000
            summary = f"keep topic {topic.name} for {hours:g} h past commit"
            changes.append(TopicChange(kind=ChangeKind.RETAIN, topic=topic, summary=summary))
    return changes


def check_position(topic: str, partition: int, position: int, ends: Watermarks) -> int:
    """Return `position` if it can be read.

    Raises:
        OffsetOutOfRangeError: It is outside of the watermarks.
    """
    if ends.low <= position <= ends.high:
        return position
    msg = (
        f"{topic}[{partition}]: offset {position} is not in the log, which holds"
        f" {ends.low} to {ends.high}; records between were removed or the log was replaced."
        f" {way_on(partition)}"
    )
    raise OffsetOutOfRangeError(msg)


def way_on(partition: int) -> str:
    """Return what a person does when records went unread."""
    return (
        "Find out which with `ugc status`, put them back from an archive if there is one, and"
        f" continue on purpose from where the log is: `ugc offsets reset --partition {partition}"
        " --to earliest`, while no pipeline runs"
    )


def group_in_use(group: str, members: Sequence[Member]) -> InUseError:
    """Return the error that says who stands in the way of moving a group."""
    who = "; ".join(map(str, members)) or "somebody"
    leases = [member.lease_s for member in members if member.lease_s is not None]
    killed = f"; one that was killed is forgotten after {max(leases):g} s" if leases else ""
    return InUseError(
        f"group {group} is read by {who}: its next commit would undo the move, so nothing was"
        f" moved. Stop every `ugc etl` of the group, or the `ugc up`, first{killed}"
    )


def check_range(topic: str, partition: int, start: int, end: int, ends: Watermarks) -> None:
    """Make sure that a range of offsets can be read whole.

    Raises:
        OffsetOutOfRangeError: Some of it was removed, or is not written yet.
    """
    if ends.low <= start <= end <= ends.high:
        return
    msg = (
        f"{topic}[{partition}]: offsets {start} to {end} are not all in the log, which holds"
        f" {ends.low} to {ends.high}; choose a range inside, or look for the rest in an archive"
    )
    raise OffsetOutOfRangeError(msg)


def without(value: bytes, unwanted: Callable[[bytes], bool]) -> tuple[bytes | None, int]:
    """Return a record's value without some lines, None if none is left, and how many went."""
    lines = value.split(b"\n")
    kept = [line for line in lines if not unwanted(line)]
    return (b"\n".join(kept) if kept else None), len(lines) - len(kept)
