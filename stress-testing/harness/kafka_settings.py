"""The settings of a broker that lives for a test: small, quick, on loopback."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Listening(Protocol):
    """What has to be known of a broker; see `harness.kafka.Broker`."""

    number: int
    port: int
    inner: int
    detour: tuple[int, int]
    folder: Path


def server_settings(
    broker: Listening, controllers: Mapping[int, int], protocol: str
) -> dict[str, str]:
    """Return every setting.

    Args:
        broker: Whose.
        controllers: The port of each broker's controller, by the broker's id.
        protocol: How clients connect.
    """
    return _listeners(broker, controllers, protocol) | _settings(broker, len(controllers))


def _listeners(broker: Listening, controllers: Mapping[int, int], protocol: str) -> dict[str, str]:
    """Return where a broker listens: clients, other brokers and controllers have a port each."""
    at = {"CLIENT": broker.port, "INNER": broker.inner, "DETOUR": broker.detour[0]}
    shown = at | {"DETOUR": broker.detour[1]}
    return {
        "process.roles": "broker,controller",
        "node.id": str(broker.number),
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{p}" for n, p in controllers.items()),
        "listeners": f"{_joined(at)},CONTROLLER://127.0.0.1:{controllers[broker.number]}",
        "advertised.listeners": _joined(shown),
        "listener.security.protocol.map": (
            f"CLIENT:{protocol},INNER:PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INNER",
    }


def _joined(listeners: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())


def _settings(broker: Listening, count: int) -> dict[str, str]:
    copies = str(min(count, 3))
    return {
        "log.dirs": str(broker.folder / f"data-{broker.number}"),
        "default.replication.factor": copies,
        "min.insync.replicas": "2" if copies == "3" else "1",
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        "auto.create.topics.enable": "false",
        # Tests write records with times of their own: those must not look expired.
        "log.retention.check.interval.ms": "86400000",
        "log.initial.task.delay.ms": "86400000",
        "broker.session.timeout.ms": "6000",
        "num.io.threads": "2",
        "num.network.threads": "1",
        "log.cleaner.enable": "false",
        "background.threads": "2",
    }
