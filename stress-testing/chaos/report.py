"""The report: which rows have been played, and what came out; it can be resumed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.results import commit

from chaos.matrix import Row
from chaos.trial import Verdict

_KEPT = 20
_HEAD = (
    "| # | fault | runs | reports | accepted | outcome unknown, sent again | lost | phantom |"
    " doubled | other differences | in earlier tries | slowest recovery |"
)
_NAMED = ("lost", "phantom", "doubled")


def run_name(row: Row, seed: int, *, tokens: bool) -> str:
    """Return the name of one run in the report."""
    return f"{row.name}/seed {seed}/{'tokens' if tokens else 'no tokens'}"


@dataclass(kw_only=True)
class Report:
    """Every run that has ended, by name.

    Attributes:
        runs: What came out of each.
    """

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path) -> "Report":
        """Read what was written before, if anything was."""
        if not path.exists():
            return cls()
        return cls(runs=json.loads(path.read_text("utf-8"))["runs"])

    def done(self, name: str) -> bool:
        """Say whether a run has ended well; one with differences is played again."""
        return name in self.runs and not self.runs[name]["differences"]

    def add(self, name: str, verdict: Verdict, *, took_s: float) -> None:
        """Note what came out of a run."""
        last = self.runs.get(name)
        earlier = [*last.get("earlier", []), last["first"]] if last and last["differences"] else []
        kinds: dict[str, int] = {}
        for difference in verdict.differences:
            kinds[difference.kind] = kinds.get(difference.kind, 0) + 1
        self.runs[name] = {
            "took_s": round(took_s, 1),
            "commit": commit(),
            "differences": len(verdict.differences),
            "kinds": kinds,
            "first": [f"{kind}: {what}"[:400] for kind, what in verdict.differences[:_KEPT]],
            "figures": verdict.figures,
            "earlier": earlier,  # a run that is played again does not hide what it found before
        }

    def table(self, rows: Sequence[Row]) -> str:
        """Return the report as a table; what was not played says so."""
        rule = "|".join(["", *["---"] * _HEAD.count("|")]).removesuffix("---") + ""
        return "\n".join([_HEAD, rule, *(self._line(row) for row in rows)])

    def _line(self, row: Row) -> str:
        names = [run_name(row, seed, tokens=tokens) for seed, tokens in row.runs]
        played = [self.runs[name] for name in names if name in self.runs]
        start = f"| {row.name} | {row.fault} | {len(played)} of {len(names)} |"
        if not played:
            return f"{start} not run | | | | | | | | |"
        kinds = [run["kinds"] for run in played]
        named = [sum(found.get(kind, 0) for found in kinds) for kind in _NAMED]
        other = sum(run["differences"] for run in played) - sum(named)
        slowest = [run["figures"].get("recovered_s") for run in played]
        took = max((one for one in slowest if one is not None), default=None)
        counts = [_sum(played, key) for key in ("reports", "accepted", "unknown_then_repeated")]
        tries = sum(len(run.get("earlier", [])) for run in played)
        cells = [*counts, *map(str, named), str(other), str(tries)]
        cells.append("" if took is None else f"{took} s")
        return f"{start} {' | '.join(cells)} |"


def _sum(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{sum(run['figures'].get(key) or 0 for run in runs):,}"
