"""A verification in words: a line for each check, the verdict, and what was found."""

from collections.abc import Mapping

from rich.text import Text

from ugc_cli import console
from ugc_etl.verification.findings import MEANINGS, Finding
from ugc_etl.verification.verify import Check, Verification

_WORDS = {
    "ledger": (
        "{batches} batches, {lines} lines = {stored} stored + {dead} dead + {erased} erased;"
        " {checked} batches held against the log"
    ),
    "reports": (
        "{reports} reports in {lines} lines compared, {erased} erased; passes {passes}, at most"
        " {held} at once, {memory_mb} MB"
    ),
    "dead letters": "{counted} dead lines in the ledger, {letters} letters",
    "derived": "playback and resume_points of {films} films recomputed",
}


def show(found: Verification, *, ok: bool, most: int) -> None:
    """Print what was verified on stdout, and say the verdict."""
    rows = [(check.name, _state(check), _summary(check)) for check in found.checks]
    console.emit_table(("check", "result", "what"), rows)
    printer = console.out()
    for finding in found.findings[:most]:
        for line in _lines(finding):
            printer.print(line, soft_wrap=True)
    _say_counts(found, most)
    for sentence in _asides(found):
        console.say(sentence, style="dim")
    _say_verdict(found, ok=ok)


def _state(check: Check) -> str:
    if check.faults:
        return _many(check.faults, "fault")
    return f"ok, {_many(check.notes, 'note')}" if check.notes else "ok"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _summary(check: Check) -> str:
    words = _WORDS.get(check.name, "")
    return words.format(**check.facts)


def _lines(finding: Finding) -> list[Text]:
    style = "bold red" if finding.fault else "bold yellow"
    head = Text(f"{finding.kind.value:<12}", style).append(console.cell(finding.subject), "none")
    rest = [finding.detail, f"next: {finding.next}" if finding.next else ""]
    return [head, *(Text(f"{'':<12}{console.cell(text)}") for text in rest if text)]


def _say_counts(found: Verification, most: int) -> None:
    for counts, word in ((found.faults, "fault"), (found.notes, "note")):
        for kind, many in counts.items():
            console.say(f"{many} {kind.value} ({word}): {MEANINGS[kind]}")
    counted = sum(found.faults.values()) + sum(found.notes.values())
    if counted > most:
        hint = "; --all prints every one" if most < len(found.findings) else ""
        console.say(f"{min(most, len(found.findings))} of {counted} findings printed{hint}")


def _asides(found: Verification) -> list[str]:
    facts: Mapping[str, object] = next(
        (check.facts for check in found.checks if check.name == "reports"), {}
    )
    sentences = []
    if found.waiting:
        sentences.append(f"{found.waiting} records are not ingested yet; that is no loss.")
    if facts.get("older"):
        sentences.append(f"{facts['older']} rows are older than the log and were not judged.")
    if facts.get("newer"):
        sentences.append(f"{facts['newer']} rows came after the moment that was verified.")
    return sentences


def _say_verdict(found: Verification, *, ok: bool) -> None:
    if not ok:
        console.say("NOT GOOD: what was accepted and what is stored differ.", style="bold red")
    elif found.deep:
        console.say("Good: every report that the log holds is stored, once.", style="green")
    else:
        console.say(
            "Good: the ledger agrees with the log. --deep compares the reports themselves.",
            style="green",
        )
