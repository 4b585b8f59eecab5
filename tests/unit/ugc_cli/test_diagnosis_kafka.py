"""What the doctor thinks of copies on brokers."""

from ugc_cli.diagnosis import Patient, Verdict
from ugc_cli.diagnosis_kafka import checks, judge_brokers, judge_copies
from ugc_core.clock import ManualClock
from ugc_core.log_operator import Copies, Server
from ugc_core.settings import LogSection, Settings

GOOD = Copies(wanted=3, in_sync=3, needed=2)
BEHIND = Copies(wanted=3, in_sync=2, needed=2)
STOPPED = Copies(wanted=3, in_sync=1, needed=2)


def brokers(*silent: str) -> Server:
    return Server(name="kafka", nodes=3, silent=dict.fromkeys(silent, "no answer"))


def test_brokers_that_answer_are_well():
    [found] = judge_brokers(brokers(), needed=2)

    assert found.verdict is Verdict.OK
    assert "all of 3 answer: kafka (tells no version" in found.why


def test_a_broker_that_is_silent_is_named():
    [found] = judge_brokers(brokers("k2:9092"), needed=2)

    assert (found.verdict, found.why) == (Verdict.WARN, "1 of 3 do not answer: k2:9092")
    assert found.next


def test_too_few_brokers_to_acknowledge_are_a_fault():
    [found] = judge_brokers(brokers("k3:9092", "k2:9092"), needed=2)

    assert found.verdict is Verdict.FAIL
    assert "2 of 3 do not answer: k2:9092, k3:9092; 2 are needed" in found.why


def test_copies_in_sync_are_well():
    [found] = judge_copies({"views": {0: GOOD, 1: GOOD}, "views.dlq": {0: GOOD}})

    assert (found.verdict, found.next) == (Verdict.OK, "")
    assert "all of 3 partitions" in found.why


def test_a_copy_that_is_missing_is_a_warning_with_the_first_place():
    [found] = judge_copies({"views": {0: GOOD, 1: BEHIND}, "views.dlq": {0: BEHIND}})

    assert found.verdict is Verdict.WARN
    assert "2 of 3 partitions, views[1] first: 2 of 3 copies" in found.why
    assert found.next


def test_fewer_than_an_acknowledgement_needs_is_a_fault():
    [found] = judge_copies({"views": {0: BEHIND, 1: STOPPED}})

    assert found.verdict is Verdict.FAIL
    assert "1 of 2 partitions, views[1] first: 1 of 3 copies" in found.why
    assert "2 are needed: reports are refused there" in found.why


def test_a_log_in_one_file_has_neither_brokers_nor_copies():
    for url, many in (("sqlite:///log.db", 0), ("kafka://h:9092", 2)):
        settings = Settings(log=LogSection(url=url))
        patient = Patient(
            settings=settings, api="", embedded=False, clock=ManualClock(), watched_s=0
        )
        assert len(checks(patient)) == many
