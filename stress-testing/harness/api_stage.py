"""One broker and one service at a time, each on a core of its own, for measurements of ugc-api."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from chaos.parts import told_of
from chaos.programs import Program, free_port

from harness import kafka, wrk
from harness.api_requests import SECRET
from harness.cores import AROUND, MEASURED, on_core, staying_on, too_few
from harness.kafka_pipeline import topic
from harness.system import UNLIMITED
from ugc_core.settings import LogSection

_MANY_CONNECTIONS = ("UGC_LIMITS__MAX_CONNECTIONS", "UGC_LIMITS__MAX_CONNECTIONS_PER_ADDRESS")
"""Here one address is the whole world."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that runs.

    Attributes:
        url: Where.
        program: Its process, on the measured core.
        log: What it appends to.
    """

    url: str
    program: Program
    log: LogSection

    def family(self) -> list[psutil.Process]:
        """Return its process and the children of that."""
        process = self.program.process
        return [process, *process.children(recursive=True)]

    def cpu_s(self) -> float:
        """Return the CPU that it has used, in seconds."""
        return sum(sum(process.cpu_times()[:2]) for process in self.family())

    def resident_mib(self) -> float:
        """Return its resident memory, in MiB."""
        return round(sum(process.memory_info().rss for process in self.family()) / 2**20, 1)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A broker, and a place for services.

    Attributes:
        folder: For requests and for what services say.
        brokers: The one broker.
    """

    folder: Path
    brokers: kafka.Brokers

    @asynccontextmanager
    async def service(
        self, name: str, command: list[str], environment: Mapping[str, str], *, ready: str
    ) -> AsyncIterator[Service]:
        """Run a service with a topic of its own until the end of the block.

        Args:
            name: Names the topic, too.
            command: With `{port}`, `{servers}` and `{topic}` where those belong.
            environment: `UGC_` variables beside those of the log.
            ready: What it says once it works.
        """
        port, log = free_port(), await topic(self.brokers.url, name)
        # As users have it; the topic's maker has room for backlogs that are made on purpose.
        log = LogSection(url=log.url, topic=log.topic, group=log.group, kafka=log.kafka)
        words = {"port": port, "servers": self.brokers.servers, "topic": name}
        program = Program(
            on_core(MEASURED, [part.format(**words) for part in command]),
            output=self.folder / name,
            environment={
                key: value.format(**words) for key, value in {**told_of(log), **environment}.items()
            },
            ready=ready,
        )
        try:
            await program.start()
            yield Service(url=f"http://127.0.0.1:{port}", program=program, log=log)
        finally:
            if program.runs:
                await program.stop()
            await asyncio.to_thread(program.put_away)


def told_api() -> dict[str, str]:
    """Return the variables of ugc-api; nothing bounds what a single sender may do."""
    return {
        "UGC_AUTH__SECRET": SECRET,
        "UGC_API__PORT": "{port}",
        **UNLIMITED,
        **dict.fromkeys(_MANY_CONNECTIONS, "100000"),
    }


def absent() -> str | None:
    """Return what is missing on this machine; None if nothing is."""
    return too_few() or wrk.absent() or kafka.absent()


@contextmanager
def stage() -> Iterator[Stage]:
    """Run the broker; it and this process keep off the measured core.

    Raises:
        NoKafkaError: Java or Kafka's jars are missing.
    """
    with (
        TemporaryDirectory(prefix="ugc-bench-") as place,
        staying_on(AROUND),
        kafka.running(Path(place, "kafka"), heap="512m") as brokers,
    ):
        yield Stage(folder=Path(place), brokers=brokers)
