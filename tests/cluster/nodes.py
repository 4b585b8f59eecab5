"""Two shards of two replicas: ClickHouse 18.16 and ZooKeeper from Debian, on loopback.

It is a real cluster, and too old for the product's own SQL: what it proves is where rows go,
that a quorum holds, and what happens when nodes die.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from string import Template

CLUSTER = "company_cluster"
START_S = 60
"""Longest wait for a server to listen, and to end once it was told to, in seconds."""
_SESSION_S = 3.0
"""ZooKeeper has forgotten a dead node by then, in seconds."""
_WATCHES = b"DDLWorker: Waiting a watch"
"""18.16 listens before, and dies (SIGSEGV) of a statement ON CLUSTER that comes so early."""

_JAVA = Path("/usr/share/java")
_ZOOKEEPER_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
# Sessions end soon, so nodes notice soon that another one is dead.
_ZOO_CFG = """\
tickTime=500
dataDir=$data
clientPort=$port
clientPortAddress=127.0.0.1
admin.enableServer=false
"""
_USERS = """\
<yandex>
  <profiles><default><load_balancing>in_order</load_balancing></default></profiles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks>
    <profile>default</profile><quota>default</quota>
  </default></users>
  <quotas><default></default></quotas>
</yandex>
"""
_CONFIG = """\
<yandex>
  <logger><level>debug</level>
    <log>$home/server.log</log><errorlog>$home/error.log</errorlog></logger>
  <http_port>$http</http_port><tcp_port>$native</tcp_port>
  <interserver_http_port>$interserver</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host><listen_host>127.0.0.1</listen_host>
  <path>$home/data/</path><tmp_path>$home/tmp/</tmp_path><users_config>users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>100000000</mark_cache_size>
  <!-- Of tables as small as ours half the rows are in parts that ZooKeeper had not heard of yet
       when a node was killed; by default it would not start again for that. -->
  <merge_tree>
    <replicated_max_ratio_of_wrong_parts>1</replicated_max_ratio_of_wrong_parts>
  </merge_tree>
  <zookeeper>
    <node><host>127.0.0.1</host><port>$zookeeper</port></node>
    <session_timeout_ms>2000</session_timeout_ms>
  </zookeeper>
  <macros><shard>$shard</shard><replica>r$number</replica></macros>
  <distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
  <remote_servers><$cluster>$shards</$cluster></remote_servers>
</yandex>
"""


def missing() -> str | None:
    """Return what this machine lacks for a cluster, in words; None if nothing."""
    for program in ("clickhouse-server", "java"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not (_JAVA / "zookeeper.jar").exists():
        return "zookeeper is not installed"
    return None


class Server:
    """A server: its port, its files, and its process while it runs."""

    def __init__(self, home: Path, command: Sequence[str], port: int, *, says: bytes = b"") -> None:
        self.home = home
        self.port = port
        self._says = says
        self._said = 0
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._killed_at = float("-inf")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start it; it may not listen yet."""
        self._said = self._count()
        with (self.home / "out.log").open("ab") as out:
            self._process = subprocess.Popen(
                self._command, cwd=self.home, stdout=out, stderr=out, env=_environment()
            )

    def wait(self) -> None:
        """Wait until it listens, and says that it can do all it has to."""
        until = time.monotonic() + START_S
        while not _listens(self.port) or (self._says and self._count() == self._said):
            assert self._process
            if self._process.poll() is not None or time.monotonic() > until:
                text = (self.home / "out.log").read_text("utf-8", "replace")
                self.kill()
                msg = f"{self._command[0]} is not ready on {self.port}: {text[-2000:]}"
                raise AssertionError(msg)
            time.sleep(0.05)

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Not before ZooKeeper has missed it: a replica that finds its own old session there
        stays read-only for ten seconds.
        """
        time.sleep(max(0.0, self._killed_at + _SESSION_S - time.monotonic()))
        self.spawn()
        self.wait()

    def kill(self) -> None:
        """End it with SIGKILL, wherever it is just now."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=START_S)
            self._process = None
            self._killed_at = time.monotonic()

    def _count(self) -> int:
        """Count how often it has said that it is ready."""
        log = self.home / "server.log"
        return log.read_bytes().count(self._says) if self._says and log.exists() else 0

    def freeze(self) -> None:
        """Let it hang, with its connections open, until `thaw`."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, if it hangs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


class Cluster:
    """ZooKeeper and four nodes: the first two are shard 1, the others shard 2."""

    def __init__(self, home: Path) -> None:
        ports = _free_ports(13)
        zookeeper, ports = ports[0], ports[1:]
        natives = ports[0::3]
        self._keeper = Server(home / "keeper", _keeper_command(), zookeeper)
        self._keeper.home.mkdir(parents=True)
        text = Template(_ZOO_CFG).substitute(data=self._keeper.home / "data", port=zookeeper)
        (self._keeper.home / "zoo.cfg").write_text(text, "utf-8")
        command = ["clickhouse-server", "--config-file=config.xml"]
        self.nodes = [
            Server(home / f"n{n + 1}", command, port, says=_WATCHES)
            for n, port in enumerate(natives)
        ]
        for number, node in enumerate(self.nodes):
            node.home.mkdir()
            (node.home / "users.xml").write_text(_USERS, "utf-8")
            filled = Template(_CONFIG).substitute(
                home=node.home,
                native=node.port,
                http=ports[number * 3 + 1],
                interserver=ports[number * 3 + 2],
                zookeeper=zookeeper,
                shard=number // 2 + 1,
                number=number + 1,
                cluster=CLUSTER,
                shards=_shards(natives),
            )
            (node.home / "config.xml").write_text(filled, "utf-8")

    @property
    def url(self) -> str:
        """The warehouse's URL, with two nodes to start from."""
        seeds = ",".join(f"127.0.0.1:{self.nodes[n].port}" for n in (0, 2))
        return f"clickhouse://{seeds}/movies?cluster={CLUSTER}"

    def shard(self, number: int) -> list[Server]:
        """Return the replicas of a shard, numbered from 0."""
        return self.nodes[2 * number : 2 * number + 2]

    def start(self) -> None:
        """Start everything."""
        self._keeper.start()
        _until_it_serves(self._keeper.port)
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait()

    def mend(self) -> None:
        """Let every node run again."""
        for node in self.nodes:
            node.thaw()
            if not node.alive:
                node.start()

    def stop(self) -> None:
        """End everything: nothing here is needed any more."""
        for node in [*self.nodes, self._keeper]:
            node.kill()


def _keeper_command() -> list[str]:
    jars = f"{_JAVA}/*"
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", jars, _ZOOKEEPER_CLASS, "zoo.cfg"]


def _shards(ports: Sequence[int]) -> str:
    replicas = [f"<replica><host>127.0.0.1</host><port>{port}</port></replica>" for port in ports]
    return "".join(
        f"<shard><internal_replication>true</internal_replication>{one}{other}</shard>"
        for one, other in zip(replicas[0::2], replicas[1::2], strict=True)
    )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name[:4] != "UGC_"}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until_it_serves(port: int) -> None:
    """Wait until ZooKeeper answers: a node that comes too early waits ten seconds."""
    until = time.monotonic() + START_S
    answer = b""
    while b"Mode:" not in answer:
        assert time.monotonic() < until, answer
        with socket.create_connection(("127.0.0.1", port), timeout=START_S) as link:
            link.sendall(b"srvr")
            answer = link.recv(4096)


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those of outgoing connections.

    A dead node's port must not be taken by somebody's connection until it starts again.
    """
    candidates = random.sample(range(20_000, 32_000), 200)
    return [port for port in candidates if not _listens(port)][:count]
