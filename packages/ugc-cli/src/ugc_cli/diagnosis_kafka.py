"""Doctor: a cluster's brokers, and the copies that they keep."""

from collections.abc import Iterable, Mapping

from ugc_cli.diagnosis import Check, Diagnosis, Patient, Verdict, ok
from ugc_core.bootstrap import open_log_operator
from ugc_core.log_operator import Copies, Server
from ugc_core.urls import KafkaLogTarget, log_target


def checks(patient: Patient) -> list[Check]:
    """Return what is looked at where brokers keep the log."""
    section = patient.settings.log
    if not isinstance(log_target(section.url), KafkaLogTarget):
        return []

    async def brokers() -> Iterable[Diagnosis]:
        async with open_log_operator(section) as operator:
            server = await operator.server()
        return judge_brokers(server, needed=section.kafka.min_insync_replicas)

    async def copies() -> Iterable[Diagnosis]:
        async with open_log_operator(section) as operator:
            names = (section.topic, section.dlq_topic)
            found = {name: await operator.copies(name) for name in names}
        return judge_copies(found)

    way = "see that every broker runs"
    return [
        Check(name="brokers", look=brokers, next=way, needs=("log",)),
        Check(name="copies", look=copies, next=way, needs=("log",)),
    ]


def judge_brokers(server: Server, *, needed: int) -> list[Diagnosis]:
    """Judge who answers: one that has just died is still among the brokers that Kafka names."""
    if not server.silent:
        return ok("brokers", f"all of {server.nodes} answer: {server}")
    left = server.nodes - len(server.silent)
    who = ", ".join(sorted(server.silent))
    why = f"{len(server.silent)} of {server.nodes} do not answer: {who}"
    verdict = Verdict.WARN
    if left < needed:
        why += f"; {needed} are needed to acknowledge a report, so all are refused"
        verdict = Verdict.FAIL
    then = "start them; reports that were acknowledged are on the others"
    return [Diagnosis(check="brokers", verdict=verdict, why=why, next=then)]


def judge_copies(found: Mapping[str, Mapping[int, Copies]]) -> list[Diagnosis]:
    """Judge copies in sync: too few for an acknowledgement stop the writing, fewer are a risk."""
    partitions = [
        (f"{topic}[{partition}]", copies)
        for topic, those in found.items()
        for partition, copies in sorted(those.items())
    ]
    short = [(where, one) for where, one in partitions if one.in_sync < one.wanted]
    if not short:
        return ok("copies", f"all of {len(partitions)} partitions' copies are in sync")
    stopped = [(where, one) for where, one in short if one.in_sync < one.needed]
    (where, one), many = (stopped or short)[0], len(stopped or short)
    seen = f"{many} of {len(partitions)} partitions, {where} first: {one.in_sync} of {one.wanted}"
    if stopped:
        why = f"{seen} copies are in sync and {one.needed} are needed: reports are refused there"
        verdict = Verdict.FAIL
    else:
        why = f"{seen} copies are in sync: a broker is down, or has not caught up yet"
        verdict = Verdict.WARN
    then = "start the broker that is down; kafka-topics.sh --describe --under-replicated-partitions"
    return [Diagnosis(check="copies", verdict=verdict, why=why, next=then)]
