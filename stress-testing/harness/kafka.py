"""Real Apache Kafka brokers on loopback: started, killed, hung, restarted, never left behind."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.kafka_settings import server_settings

START_S = 60.0
STOP_S = 30.0
FETCH_S = 300.0
POM = Path(__file__).with_name("kafka-pom.xml")
LIBS = "UGC_KAFKA_LIBS"
_CACHE = Path("/var/tmp/ugc-kafka/libs")  # noqa: S108 - jars, checked by Maven; kept over restarts


class NoKafkaError(Exception):
    """Something that a broker needs is not on this machine; the message says what."""


def absent() -> str | None:
    """Return why there is no Kafka on this machine; None if there is one."""
    try:
        libs()
    except NoKafkaError as error:
        return str(error)
    return None


def libs() -> Path:
    """Return the folder of Kafka's jars; Maven fetches them the first time.

    Raises:
        NoKafkaError: Java or Maven is missing, or Maven cannot fetch them.
    """
    if shutil.which("java") is None:
        msg = "java is not installed"
        raise NoKafkaError(msg)
    folder = Path(os.environ.get(LIBS, _CACHE))
    if any(folder.glob("kafka_2.13-*.jar")):
        return folder
    if shutil.which("mvn") is None:
        msg = f"Kafka's jars are not in {folder}, and mvn is not installed"
        raise NoKafkaError(msg)
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    fetch = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    ended = subprocess.run(
        [*fetch, f"-DoutputDirectory={fresh}"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=FETCH_S,
        check=False,
    )
    if ended.returncode:
        last = (ended.stdout + ended.stderr).strip().splitlines()[-1:]
        msg = f"Maven cannot fetch Kafka's jars: {last}"
        raise NoKafkaError(msg)
    with suppress(OSError):  # another one was faster
        fresh.rename(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    return folder


@dataclass(kw_only=True)
class Broker:
    """One broker, which is a controller too.

    Attributes:
        number: Its id, from 1.
        port: Where clients connect.
        inner: Where the other brokers connect.
        detour: Where clients connect that come by a detour, and the port which those are sent
            to: a proxy may listen there.
        folder: Its settings, data and what it said.
        jars: Kafka's jars.
        heap: Most memory of its heap.
    """

    number: int
    port: int
    inner: int
    detour: tuple[int, int]
    folder: Path
    jars: Path
    heap: str
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def settings(self) -> Path:
        """Its settings file."""
        return self.folder / f"server-{self.number}.properties"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, without waiting until it is up."""
        # The quick compiler and the small collector: a broker of a test lives for a minute.
        small = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
        with (self.folder / f"said-{self.number}.txt").open("ab") as said:
            self._process = subprocess.Popen(
                [
                    *("java", f"-Xmx{self.heap}", *small, "-cp", f"{self.jars}/*"),
                    *("kafka.Kafka", str(self.settings)),
                ],
                stdout=said,
                stderr=said,
                cwd=self.folder,
            )

    def wait_up(self) -> None:
        """Wait until it takes connections.

        Raises:
            RuntimeError: It does not.
        """
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.alive:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        msg = f"broker {self.number} is not up; it said {self.said()[-2000:]}"
        raise RuntimeError(msg)

    def kill(self) -> None:
        """End it with SIGKILL, wherever it is just now."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; one that does not is killed."""
        self._end(signal.SIGTERM)

    def hang(self) -> None:
        """Let it stand still with its connections open, until `wake`."""
        self._signal(signal.SIGSTOP)
        if self._process is not None:  # its threads stop one by one, and may answer until then
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def wake(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def said(self) -> str:
        """Return what it wrote."""
        return (self.folder / f"said-{self.number}.txt").read_text("utf-8", errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(kw_only=True)
class Brokers:
    """A cluster; brokers are found by their id."""

    members: dict[int, Broker]

    @property
    def servers(self) -> str:
        """Every broker as `host:port`, joined by commas."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.members.values())

    @property
    def url(self) -> str:
        """The log's URL."""
        return f"kafka://{self.servers}"

    def __getitem__(self, number: int) -> Broker:
        """Return a broker by its id."""
        return self.members[number]

    @property
    def detour_url(self) -> str:
        """The log's URL by way of proxies: whoever connects there is led there again."""
        ports = (broker.detour[1] for broker in self.members.values())
        return "kafka://" + ",".join(f"127.0.0.1:{port}" for port in ports)

    def restart(self, number: int) -> None:
        """Start a broker again on its data and port, and wait until it is up."""
        self[number].start()
        self[number].wait_up()

    def mend(self) -> None:
        """Have every broker run again, whatever was done to it."""
        for broker in self.members.values():
            broker.wake()
            if not broker.alive:
                broker.start()
        for broker in self.members.values():
            broker.wait_up()


@contextmanager
def running(
    folder: Path,
    *,
    count: int = 1,
    heap: str = "256m",
    settings: Mapping[str, str] | None = None,
    protocol: str = "PLAINTEXT",
    prepare: Sequence[str] = (),
) -> Iterator[Brokers]:
    """Run brokers on an empty folder until the end of the block.

    Three have every record on all of them, and acknowledge what two have.

    Args:
        folder: For their settings and data.
        count: How many.
        heap: Most memory of each one's heap.
        settings: Server settings beside ours, `listener.name.client.…` among them.
        protocol: How clients connect, `SASL_SSL` for one.
        prepare: Arguments of the storage tool, such as `--add-scram`.

    Raises:
        NoKafkaError: Java or Kafka's jars are missing.
        RuntimeError: A broker does not come up.
    """
    jars = libs()
    folder.mkdir(parents=True, exist_ok=True)
    ports = iter(free_ports(5 * count))
    brokers = {
        n: Broker(
            number=n,
            port=next(ports),
            inner=next(ports),
            detour=(next(ports), next(ports)),
            folder=folder,
            jars=jars,
            heap=heap,
        )
        for n in range(1, count + 1)
    }
    controllers = {n: next(ports) for n in brokers}
    with ExitStack() as stack:
        for broker in brokers.values():
            text = server_settings(broker, controllers, protocol) | dict(settings or {})
            broker.settings.write_text("".join(f"{k}={v}\n" for k, v in text.items()), "utf-8")
        with ThreadPoolExecutor() as pool:
            list(pool.map(partial(_format, prepare=prepare), brokers.values()))
        for broker in brokers.values():
            stack.callback(broker.kill)
            broker.start()
        for broker in brokers.values():
            broker.wait_up()
        yield Brokers(members=brokers)


def _format(broker: Broker, *, prepare: Sequence[str]) -> None:
    tool = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{broker.jars}/*", "kafka.tools.StorageTool"]
    arguments = ["format", "-t", "dWdjLXRlc3Qta2Fma2EtMQ", "-c", str(broker.settings)]
    ended = subprocess.run(
        [*tool, *arguments, *prepare], capture_output=True, text=True, timeout=START_S, check=False
    )
    if ended.returncode:
        msg = f"cannot format a broker's data: {ended.stdout}{ended.stderr}"
        raise RuntimeError(msg)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; all are held until the last one is found."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]
