"""compose.yaml holds together: what it names exists, and its parts agree with each other."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from compose_spec import PyCompose

from tests.infra.conftest import ROOT, Compose
from ugc_core.settings import Settings
from ugc_core.sources import load
from ugc_core.topology import refuse_partitions
from ugc_core.urls import KafkaLogTarget, log_target, warehouse_target

OURS = ("api", "etl", "init", "sut")
ONE_SHOTS = ("init", "sut")
CLICKHOUSE = ROOT / "infra" / "clickhouse" / "compose"
PINNED = re.compile(r"^[a-z0-9./-]+:v?\d+(\.\d+)+(-[a-z]+)?$")


def settings_of(compose: Compose, service: str, secrets: Path) -> Settings:
    """Load the settings of a service as it would, its secrets from where they were made."""
    environ = {
        name: value.replace("/run/secrets", str(secrets))
        for name, value in compose["services"][service]["environment"].items()
        if name != "UGC_REQUIRE"
    }
    return load(environ).settings


def nodes() -> list[tuple[str, str, int]]:
    """Return (shard, host, port) of every node in the cluster's configuration."""
    cluster = xml(CLICKHOUSE / "cluster.xml").find("remote_servers/company_cluster")
    assert cluster is not None
    return [
        (str(number), replica.findtext("host", ""), int(replica.findtext("port", "0")))
        for number, shard in enumerate(cluster.findall("shard"), start=1)
        for replica in shard.findall("replica")
    ]


def xml(path: Path) -> ET.Element:
    return ET.parse(path).getroot()  # noqa: S314 - our own files


def test_the_file_follows_the_compose_specification(compose):
    PyCompose.from_yaml(yaml.safe_dump(compose)).validate()  # it knows no nested merges


@pytest.mark.parametrize("service", OURS)
def test_the_settings_of_a_service_can_be_loaded_with_its_secrets(compose, service, secrets):
    found = settings_of(compose, service, secrets)

    assert isinstance(log_target(found.log.url), KafkaLogTarget)
    assert len(found.auth.secret) >= 32
    assert len(found.warehouse.password) >= 32
    assert found.auth.secret != found.warehouse.password != found.api.docs_password


def test_the_service_believes_the_proxy_about_addresses(compose, secrets):
    networks = settings_of(compose, "api", secrets).limits.trusted_proxies

    assert {"172.16.0.0/12", "192.168.0.0/16"} <= set(networks)  # Docker's own pools
    assert "ports" not in compose["services"]["api"]


def test_a_secret_is_mounted_wherever_a_setting_names_its_file(compose):
    for service in compose["services"].values():
        named = re.findall(r"/run/secrets/([\w.-]+)", str(service.get("environment", "")))
        assert set(named) <= set(service.get("secrets", [])), service["image"]
    mounted = {
        name for service in compose["services"].values() for name in service.get("secrets", [])
    }
    assert mounted == set(compose["secrets"])


def test_the_secrets_are_those_that_the_script_makes(compose, secrets):
    named = {Path(secret["file"]) for secret in compose["secrets"].values()}

    assert {path.parent for path in named} == {Path(".secrets")}
    assert {path.name for path in named} == {path.name for path in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o777 == 0o700
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert ".secrets/" in ignored


def test_no_secret_is_made_twice(secrets):
    script = ROOT / "infra" / "docker" / "make-secrets"
    before = (secrets / "token-secret").read_text("utf-8")

    ended = subprocess.run(
        ["sh", str(script), str(secrets)], capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert "is there already" in ended.stderr
    assert (secrets / "token-secret").read_text("utf-8") == before


def test_no_secret_stands_in_the_file(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            secret = re.search(r"PASSWORD|SECRET|TOKEN", name)
            assert not secret or value.startswith("/run/secrets/"), name


def test_every_image_is_pinned_or_our_own(compose):
    for name, service in compose["services"].items():
        own = service["image"].endswith(":local") and "build" in service
        assert own or PINNED.match(service["image"]), name


def test_every_service_is_limited_restarted_and_watched(compose):
    for name, service in compose["services"].items():
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits), name
        assert service["networks"] == ["ugc"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name not in ONE_SHOTS:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_ours_and_nginx_write_nowhere_and_have_no_rights(compose):
    for name in (*OURS, "nginx"):
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name


def test_the_bodies_that_nginx_may_hold_fit_where_it_keeps_them(compose):
    """Anybody may begin as many bodies as there are connections, without a token."""
    nginx, conf = compose["services"]["nginx"], ROOT / "infra" / "nginx"
    text = "".join((conf / name).read_text("utf-8") for name in ("nginx.conf", "service.conf"))
    connections, body_kib, buffer_kib = (
        number(rf"{name} (\d+)", text)
        for name in ("limit_conn all", "client_max_body_size", "client_body_buffer_size")
    )
    disk_mib = number(r"size=(\d+)m", nginx["tmpfs"][0])
    memory_mib = number(r"(\d+)m", nginx["deploy"]["resources"]["limits"]["memory"])

    assert connections * body_kib / 1024 < disk_mib
    assert disk_mib + connections * buffer_kib / 1024 < memory_mib


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, pattern
    return int(found[1])


def test_what_is_waited_for_can_be_waited_for(compose):
    services = compose["services"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert ("healthcheck" in services[other]) == healthy, other
    assert services["api"]["depends_on"]["init"]["condition"] == "service_completed_successfully"


def test_every_file_and_volume_that_is_mounted_is_there(compose):
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file(), source
            elif not source.startswith("/"):
                assert source in compose["volumes"], source


def test_ports_are_published_to_this_machine_alone(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_kafka_is_advertised_where_it_is_looked_for(compose, secrets):
    kafka = compose["services"]["kafka"]["environment"]
    target = log_target(settings_of(compose, "api", secrets).log.url)
    assert isinstance(target, KafkaLogTarget)

    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))

    assert target.servers == (advertised["INSIDE"],)
    assert advertised["INSIDE"] == f"kafka{listening['INSIDE']}"
    assert (
        compose["services"]["kafka-ui"]["environment"]["KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS"]
        == (advertised["INSIDE"])
    )
    port = advertised["HOST"].split(":")[1]
    assert f"127.0.0.1:{port}:{port}" in compose["services"]["kafka"]["ports"]
    assert kafka["KAFKA_LOG_DIRS"] == compose["services"]["kafka"]["volumes"][0].split(":")[1]


def test_the_warehouse_is_the_cluster_of_the_configuration(compose, secrets):
    found = settings_of(compose, "etl", secrets)
    target = warehouse_target(found.warehouse.url)

    assert target.cluster == "company_cluster"
    assert [(seed.host, seed.port) for seed in target.seeds] == [node[1:] for node in nodes()]
    shards = {shard for shard, _, _ in nodes()}
    refuse_partitions(found.log.partitions, len(shards), cluster=target.cluster)
    assert (len(nodes()), len(shards)) == (4, 2)


def test_each_node_knows_its_own_place(compose):
    for shard, host, _ in nodes():
        service = compose["services"][host]
        told = service["environment"]
        assert (told["CLICKHOUSE_SHARD"], told["CLICKHOUSE_REPLICA"]) == (shard, host)
        assert service["hostname"] == host


def test_the_nodes_find_the_keeper(compose):
    cluster = xml(CLICKHOUSE / "cluster.xml")
    keeper = xml(CLICKHOUSE / "keeper.xml")

    host = cluster.findtext("zookeeper/node/host", "")
    assert host == compose["services"]["keeper"]["hostname"]
    assert host == keeper.findtext("keeper_server/raft_configuration/server/hostname")
    assert cluster.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")
    ready = keeper.findtext("keeper_server/http_control/port")
    assert f":{ready}/ready" in compose["services"]["keeper"]["healthcheck"]["test"][-1]


def test_what_clickhouse_includes_is_among_the_secrets(compose, secrets):
    made = {node.tag for node in xml(secrets / "clickhouse.xml")}
    trees = [xml(CLICKHOUSE / name) for name in ("cluster.xml", "users.xml")]
    wanted = {
        node.attrib["incl"] for tree in trees for node in tree.iter() if "incl" in node.attrib
    }

    assert wanted == made
    for tree in trees:
        assert tree.findtext("include_from") == "/run/secrets/clickhouse.xml"
    users = trees[1].find("users")
    assert users is not None
    assert settings_of(compose, "etl", secrets).warehouse.user in {user.tag for user in users}
    password = xml(secrets / "clickhouse.xml").findtext("ugc_password")
    assert settings_of(compose, "etl", secrets).warehouse.password == password
