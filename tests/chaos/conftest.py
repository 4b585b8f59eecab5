"""Brokers for the rows that are played on them."""

from collections.abc import Iterator

import pytest
from chaos.cluster import Cluster, running_cluster

from tests.kafka_logs import require_kafka


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers that all rows share; each row has topics of its own, and mends them."""
    require_kafka()
    with running_cluster(tmp_path_factory.mktemp("brokers"), long=False) as cluster:
        yield cluster
