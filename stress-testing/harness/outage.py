"""The figures of one outage of the warehouse: memory by phase, and the way back."""

from collections.abc import Sequence
from operator import attrgetter

from msgspec import Struct

from harness.etl_memory import Sample, Stretch

_SIZES = ("rss_mib", "pss_mib", "waiting_mib")


class Marks(Struct, kw_only=True):
    """When what happened, in seconds of one clock.

    Attributes:
        began_s: The load began.
        down_s: The warehouse stopped answering.
        back_s: It could be asked again.
        caught_up_s: The pipeline had caught up.
        ended_s: The last look.
    """

    began_s: float
    down_s: float
    back_s: float
    caught_up_s: float
    ended_s: float


class Standing(Struct, kw_only=True):
    """How far the pipeline was at a moment.

    Attributes:
        at_s: The moment.
        stored: Lines that the ledger accounts for.
        acknowledged: Reports that the log had acknowledged.
    """

    at_s: float
    stored: int
    acknowledged: int


def memory_figures(samples: Sequence[Sample], marks: Marks) -> dict[str, object]:
    """Return sizes before, during and after the outage.

    Before is the second half of the warm-up, when what is filled once is full. The outage is
    cut into tenths: it is flat if the last one is what the sixth one was.
    """
    warm_s = (marks.began_s + marks.down_s) / 2
    before = Stretch.between(samples, warm_s, marks.down_s)
    outage = Stretch.between(samples, marks.down_s, marks.back_s)
    after = Stretch.between(samples, marks.back_s, marks.ended_s)
    settled = Stretch.between(samples, (marks.caught_up_s + marks.ended_s) / 2, marks.ended_s)
    figures: dict[str, object] = {}
    for name in _SIZES:
        size = attrgetter(name)
        figures[name] = {
            "before": before.middle(size),
            "outage_by_tenths": outage.tenths(size),
            "most_in_outage": outage.most(size),
            "most_in_catch_up": after.most(size),
            "after": settled.middle(size),
        }
    tenths = outage.tenths(attrgetter("rss_mib"))
    return {
        **figures,
        "last_tenth_to_sixth": round(tenths[9] / tenths[5], 3),
        "most_to_before": round(outage.most(attrgetter("rss_mib")) / before.middle(_rss), 2),
        "held_back_after_s": _held_back_after_s(samples, marks),
    }


def _rss(sample: Sample) -> float:
    return sample.rss_mib


def _held_back_after_s(samples: Sequence[Sample], marks: Marks) -> float | None:
    """Return how long the outage had lasted when most partitions were held back, at first."""
    outage = Stretch.between(samples, marks.down_s, marks.back_s).samples
    most = max(sample.paused for sample in outage)
    first = next(sample for sample in outage if sample.paused == most)
    return round(first.at_s - marks.down_s, 1) if most else None


def catch_up_figures(way: Sequence[Standing]) -> dict[str, object]:
    """Return how fast the pipeline came back, from the moment the warehouse was back.

    The wait until it tries again is part of that; `once_storing` leaves it out.

    Args:
        way: Where it was, from the first answer of the warehouse until it had caught up.
    """
    first, last = way[0], way[-1]
    started = next((one for one in way if one.stored > first.stored), last)
    seconds = last.at_s - first.at_s
    live = (last.acknowledged - first.acknowledged) / seconds
    per_s = (last.stored - first.stored) / seconds
    storing_s = last.at_s - started.at_s
    once_storing = (last.stored - started.stored) / storing_s if storing_s else None
    return {
        "behind": first.acknowledged - first.stored,
        "seconds": round(seconds, 1),
        "rows": last.stored - first.stored,
        "rows_per_s": round(per_s),
        "live_per_s": round(live),
        "to_live": round(per_s / live, 1),
        "first_rows_after_s": round(started.at_s - first.at_s, 1),
        "rows_per_s_once_storing": None if once_storing is None else round(once_storing),
    }


def caught_up(standing: Standing, *, per_s: float, within_s: float) -> bool:
    """Whether what is not stored yet is no more than a moment's load."""
    return standing.acknowledged - standing.stored <= per_s * within_s
