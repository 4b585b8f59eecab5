"""The files of the proof on a current cluster fit together, though it runs elsewhere."""

from pathlib import Path
from xml.etree import ElementTree as ET

import yaml

FOLDER = Path(__file__).parents[3] / "infra" / "clickhouse"
COMPOSE = yaml.safe_load((FOLDER / "compose.proof.yaml").read_text("utf-8"))
NODE = ET.parse(FOLDER / "proof-node.xml").getroot()  # noqa: S314 - our own file
KEEPER = ET.parse(FOLDER / "proof-keeper.xml").getroot()  # noqa: S314 - our own file


def text(root: ET.Element, path: str) -> str:
    found = root.find(path)
    assert found is not None, path
    return found.text or ""


def nodes() -> dict[str, dict[str, str]]:
    return {
        name: service["environment"]
        for name, service in COMPOSE["services"].items()
        if name.startswith("node")
    }


def test_every_node_listens_where_the_cluster_says_and_belongs_to_the_shard_it_says():
    listed = [
        (str(number), text(replica, "port"))
        for number, shard in enumerate(NODE.findall("remote_servers/company_cluster/shard"), 1)
        for replica in shard.findall("replica")
    ]

    assert [(each["UGC_SHARD"], each["UGC_TCP_PORT"]) for each in nodes().values()] == listed
    assert len({each["UGC_REPLICA"] for each in nodes().values()}) == 4


def test_every_value_that_the_configuration_takes_from_the_environment_is_given():
    wanted = {value for element in NODE.iter() if (value := element.get("from_env"))}

    assert wanted
    for environment in nodes().values():
        assert wanted <= set(environment)


def test_no_two_services_share_a_port():
    ports = [
        each[name] for each in nodes().values() for name in ("UGC_TCP_PORT", "UGC_INTERSERVER_PORT")
    ]
    ports += [
        text(KEEPER, "keeper_server/tcp_port"),
        text(KEEPER, "keeper_server/raft_configuration/server/port"),
    ]

    assert len({*ports}) == len(ports) == 10
    assert text(NODE, "zookeeper/node/port") == text(KEEPER, "keeper_server/tcp_port")


def test_every_file_that_is_mounted_is_there():
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            assert (FOLDER / volume.split(":")[0]).is_file()
