"""The rows of the tables about Kafka, each made of a result."""

from collections.abc import Mapping
from typing import Any

Found = Mapping[str, Any]

_TRIALS = {"killed": "killed", "hanging": "hanging", "killed_small": "killed, small buffer"}


def etl_rows(found: Found) -> list[str]:
    """Return CPU a row of the pipeline beside its baselines."""
    costs, floor = found["cpu_us_a_row"], found["singles_to_floor"]
    rows = [
        "| from Kafka to ClickHouse | reports a record | CPU a row | |",
        "|---|---|---|---|",
        f"| baseline: aiokafka, `json.loads`, clickhouse-driver | 1 | {costs['plain']:.2f} us | |",
        f"| floor: aiokafka, asynch, no work between them | 1 | {costs['floor']:.2f} us | |",
        f"| ugc-etl | 1 | {costs['singles']:.2f} us | {floor:.2f} times the floor |",
    ]
    for rate, ratio in found["plain_to_packs"].items():
        size, cost = found["lines_a_record"][rate], costs[f"packs_{rate}"]
        what = f"ugc-etl, packs of the log's writer at {int(rate):,} reports/s"
        beside = f"the baseline costs {ratio:.1f} times as much"
        rows.append(f"| {what} | {size:.1f} | {cost:.2f} us | {beside} |")
    return [*rows, "", f"Median of {found['rounds']} rounds; CPU of the reading process alone."]


def outage_rows(found: Found) -> list[str]:
    """Return memory through an outage, the way back, and whether all arrived."""
    names = [name for name in _TRIALS if name in found]
    trials = [found[name] for name in names]
    resident = [one["memory"]["rss_mib"] for one in trials]
    way, ids = [one["catch_up"] for one in trials], [one["ids"] for one in trials]
    wrong = (f"{one['missing']:,}, {one['foreign']:,}, {one['twice']:,}" for one in ids)
    table: Mapping[str, list[str]] = {
        f"ClickHouse away under {found['rate']:,} reports/s": [_TRIALS[name] for name in names],
        "for": [f"{one['outage_s']:.0f} s" for one in trials],
        "the setting: `etl.max_buffered_bytes`, in all partitions": _mib(
            one["waiting_at_most_mib"] for one in trials
        ),
        "records waiting in ugc-etl, most": _mib(
            one["memory"]["waiting_mib"]["most_in_outage"] for one in trials
        ),
        "memory of ugc-etl before": _mib(one["before"] for one in resident),
        "in the sixth tenth of the outage": _mib(one["outage_by_tenths"][5] for one in resident),
        "in the last tenth": _mib(one["outage_by_tenths"][9] for one in resident),
        "most in the outage": _mib(one["most_in_outage"] for one in resident),
        "most while catching up": _mib(one["most_in_catch_up"] for one in resident),
        "afterwards": _mib(one["after"] for one in resident),
        "reports behind when it was back": [f"{one['behind']:,}" for one in way],
        "caught up after": [f"{one['seconds']:.0f} s" for one in way],
        "rows a second until then": [f"{one['rows_per_s']:,}" for one in way],
        "**times the live rate**": [f"**{one['to_live']}**" for one in way],
        "ids acknowledged": [f"{one['acknowledged']:,}" for one in ids],
        "ids missing, foreign, twice": [*wrong],
    }
    (title, heads), *rest = table.items()
    rows = [f"| {title} | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    return [*rows, *(f"| {what} | {' | '.join(values)} |" for what, values in rest)]


def scaling_rows(found: Found) -> list[str]:
    """Return what one pipeline and two of a group did."""
    rows = ["| | one process | two of one group | ratio |", "|---|---|---|---|"]
    speeds = {
        "slow": f"each on at most {found['share_of_a_core']:.0%} of a core",
        "free": "the machine shared with broker and chdb-server",
    }
    for shape in ("singles", "packs"):
        size = found[shape]["lines_a_record"]
        for speed, words in speeds.items():
            one, two, ratio, cpu = (
                found[shape][speed][key]
                for key in ("one", "two", "rows_per_s_ratio", "cpu_a_row_ratio")
            )
            both, what = (one, two), f"{size:.1f} reports a record, {words}"
            per_s = " | ".join(f"{side['rows_per_s']:,}" for side in both)
            costs = " | ".join(f"{side['etl_cpu_us_a_row']:.2f} us" for side in both)
            busy = " | ".join(f"{side['cores']:.2f}" for side in both)
            rows += [
                f"| rows a second: {what} | {per_s} | **{ratio:.2f}** |",
                f"| CPU a row of ugc-etl | {costs} | {cpu:.2f} |",
                f"| busy cores, with broker and chdb-server | {busy} | |",
            ]
    share = max(found[s][v]["two"]["largest_share"] for s in ("singles", "packs") for v in speeds)
    wrong = ", ".join(f"{found[name]:,} {name}" for name in ("missing", "foreign", "twice"))
    runs, rounds = found["runs"], f"{found['rounds']} rounds of {found['rows']:,} reports"
    rows += ["", f"Medians of {rounds}. The larger part of them is {share:.1%}: two can be"]
    rows.append(f"{1 / share:.2f} times as quick at most. Ids compared after each of {runs} runs:")
    return [*rows, f"{wrong}."]


def _mib(sizes: Any) -> list[str]:  # noqa: ANN401 - numbers of a JSON file
    return [f"{size:.0f} MiB" for size in sizes]
