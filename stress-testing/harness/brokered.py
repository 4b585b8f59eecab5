"""The services on three brokers: one of them is killed without warning and comes back."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import psutil

from harness import kafka
from harness.system import STOP_S, TOKEN_S, UNLIMITED, run_ugc
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock
from ugc_core.settings import WarehouseSection

BROKERS = 3
_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a system that lives for minutes
_AWAY_S = 5.0
"""How long a killed broker is missing, in seconds: its partitions get other leaders."""


class BrokeredSystem:
    """ugc-api, ugc-etl and chdb-server as processes, on brokers with every record on each.

    Attributes:
        kills: How often a broker was killed.
        down_s: How long each was missing, until it took connections again.
    """

    def __init__(self, folder: Path, brokers: kafka.Brokers, stack: ExitStack) -> None:
        """Start everything; `stack` ends it."""
        self.kills = 0
        self.down_s: list[float] = []
        self._brokers = brokers
        self._processes: dict[str, psutil.Popen] = {}
        api, clickhouse = kafka.free_ports(2)
        self.api = f"http://127.0.0.1:{api}/api/v1/"
        self.warehouse = WarehouseSection(url=f"clickhouse://127.0.0.1:{clickhouse}/movies")
        self._environment = {
            "UGC_LOG__URL": brokers.url,
            "UGC_WAREHOUSE__URL": self.warehouse.url,
            "UGC_AUTH__SECRET": _SECRET,
            "UGC_API__PORT": str(api),
            **UNLIMITED,
        }
        options = ["--data", str(folder / "clickhouse"), "--port", str(clickhouse)]
        self._start("chdb-server", ["chdb_server", *options], stack)
        code, said = self.ugc("init")
        if code:
            msg = f"`ugc init` ended with {code}: {said}"
            raise RuntimeError(msg)
        self._start("ugc-api", ["ugc_api"], stack)
        self._start("ugc-etl", ["ugc_etl"], stack)

    @property
    def current(self) -> "BrokeredSystem":
        """The same system, whatever brokers run."""
        return self

    def token(self, user_id: UUID, profile_id: UUID | None = None) -> str:
        """Return a token of a user, or of a profile of that user."""
        claims = Claims(user_id=user_id, profile_id=profile_id, ttl_s=TOKEN_S)
        return mint(claims, AuthSection(secret=_SECRET), now_ms=SystemClock().wall_ms())

    def ugc(self, *arguments: str) -> tuple[int, str]:
        """Run a command of `ugc` on it; return its exit code and what it said."""
        return run_ugc(arguments, self._environment)

    def resident_mib(self) -> dict[str, float]:
        """Return the resident memory of our processes, in MiB."""
        return {
            name: round(process.memory_info().rss / 2**20, 1)
            for name, process in self._processes.items()
        }

    def kill_and_restart(self) -> None:
        """Send SIGKILL to one broker after the other, and start it again a while later."""
        began = time.perf_counter()
        number = self.kills % BROKERS + 1
        self._brokers[number].kill()
        time.sleep(_AWAY_S)
        self._brokers.restart(number)
        self.kills += 1
        self.down_s.append(round(time.perf_counter() - began, 2))

    def _start(self, name: str, module: Sequence[str], stack: ExitStack) -> None:
        process = psutil.Popen(
            [sys.executable, "-m", *module],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )
        stack.callback(_stop, process)
        if process.stdout is None or not process.stdout.readline():
            msg = f"{name} ended before it was ready"
            raise RuntimeError(msg)
        self._processes[name] = process


@contextmanager
def brokered_system() -> Iterator[BrokeredSystem]:
    """Run one in a temporary directory.

    Raises:
        NoKafkaError: Java or Kafka's jars are missing.
    """
    with TemporaryDirectory(prefix="ugc-brokered-") as place, ExitStack() as stack:
        folder = Path(place)
        brokers = stack.enter_context(kafka.running(folder / "kafka", count=BROKERS, heap="512m"))
        yield BrokeredSystem(folder, brokers, stack)


def _stop(process: psutil.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
