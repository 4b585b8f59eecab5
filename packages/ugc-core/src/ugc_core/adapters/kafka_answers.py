"""The errors that stand in brokers' answers, as numbers."""

from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import errors as kafka

_OUTSIDE = (
    kafka.UnknownMemberIdError,
    kafka.IllegalGenerationError,
    kafka.RebalanceInProgressError,
)


def raise_any(codes: Iterable[int], about: str) -> None:
    """Raise the first error.

    Args:
        codes: By part of the answer; 0 stands for none.
        about: What was asked about.

    Raises:
        KafkaError: There is one.
    """
    for code in codes:
        if code:
            raise kafka.for_code(code)(about)


def commit_codes(answer: Any) -> Sequence[int]:
    """Return what became of a commit, by partition."""
    return [code for _, partitions in answer.topics for _, code in partitions]


def from_outside(codes: Iterable[int]) -> bool:
    """Say whether whoever committed is no member of the group as it stands by now."""
    return any(kafka.for_code(code) in _OUTSIDE for code in codes)
