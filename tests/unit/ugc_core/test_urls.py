"""The URLs that decide where everything is."""

from pathlib import Path

import pytest

from ugc_core.errors import ConfigError
from ugc_core.settings import Settings
from ugc_core.urls import (
    KafkaLogTarget,
    SqliteLogTarget,
    WarehouseTarget,
    log_target,
    warehouse_target,
)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("sqlite:///.ugc/log.db", SqliteLogTarget(path=Path(".ugc/log.db"))),
        ("sqlite:////var/lib/ugc/log.db", SqliteLogTarget(path=Path("/var/lib/ugc/log.db"))),
        ("sqlite:///a b?c", SqliteLogTarget(path=Path("a b?c"))),
        ("kafka://h1:9092", KafkaLogTarget(servers=("h1:9092",))),
        ("kafka://h1:9092,h2:9093/", KafkaLogTarget(servers=("h1:9092", "h2:9093"))),
        ("kafka://[::1]:9092", KafkaLogTarget(servers=("[::1]:9092",))),
    ],
)
def test_a_log_is_a_file_or_a_cluster(url, target):
    assert log_target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.db",
        "sqlite:",
        "sqlite://log.db",
        "sqlite:///",
        "SQLITE:///log.db",
        "kafka://",
        "kafka://,",
        "kafka://h1",
        "kafka://h1:",
        "kafka://:9092",
        "kafka://h1:port",
        "kafka://h1:9092,h2",
        "kafka://h1:9092/views",
        "kafka://user@h1:9092",
        "redis://h1:9092",
    ],
)
def test_another_log_url_is_refused_with_the_form_it_should_have(url):
    with pytest.raises(ConfigError, match=r"log\.url must look like .*kafka://host:9092"):
        log_target(url)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (
            "clickhouse://127.0.0.1:9001/movies",
            WarehouseTarget(host="127.0.0.1", port=9001, database="movies"),
        ),
        ("clickhouse://ch/movies/", WarehouseTarget(host="ch", port=9000, database="movies")),
        (
            "clickhouse://ch:9000/movies?cluster=company_cluster",
            WarehouseTarget(host="ch", port=9000, database="movies", cluster="company_cluster"),
        ),
        ("clickhouse://[::1]:9000/m", WarehouseTarget(host="::1", port=9000, database="m")),
    ],
)
def test_a_warehouse_is_a_server_or_a_node_of_a_cluster(url, target):
    assert warehouse_target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ch:9000/movies",
        "http://ch:9000/movies",
        "clickhouse:///movies",
        "clickhouse://ch:9000",
        "clickhouse://ch:9000/",
        "clickhouse://ch:9000/a/b",
        "clickhouse://ch:9000/movies%0A",
        "clickhouse://ch:9000/mov-ies",
        "clickhouse://ch:9000/1movies",
        "clickhouse://ch:9000/" + "m" * 64,
        "clickhouse://ch:65536/movies",
        "clickhouse://ch:port/movies",
        "clickhouse://[::1/movies",
        "clickhouse://ch/movies?cluster",
        "clickhouse://ch/movies?cluster=a%0A",
        "clickhouse://ch/movies?cluster=a;b",
        "clickhouse://ch/movies?cluster=a&cluster=b",
        "clickhouse://ch/movies?cluster=a&user=b",
        "clickhouse://ch/movies?user=b",
    ],
)
def test_another_warehouse_url_is_refused_with_the_form_it_should_have(url):
    with pytest.raises(
        ConfigError, match=r"warehouse\.url must look like clickhouse://HOST:9000/DATABASE"
    ):
        warehouse_target(url)


@pytest.mark.parametrize("user", ["joe", "joe:secret", ":secret"])
def test_a_warehouse_url_carries_no_credentials(user):
    with pytest.raises(ConfigError, match=r"use warehouse\.user and warehouse\.password_file"):
        warehouse_target(f"clickhouse://{user}@ch:9000/movies")


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (warehouse_target, "clickhouse://joe:s3cret@ch:9000/movies"),
        (warehouse_target, "clickhouse://joe:s3cret@ch:99999/movies"),
        (warehouse_target, "http://joe:s3cret@ch:9000/movies"),
        (log_target, "kafka://joe:s3cret@h1:9092"),
        (log_target, "kafka://h1:9092,joe:s3cret@h2"),
        (log_target, "amqp://joe:s3cret@h1:9092"),
    ],
)
def test_a_refusal_never_repeats_a_password(read, url):
    with pytest.raises(ConfigError) as caught:
        read(url)

    assert "s3cret" not in str(caught.value)


def test_the_defaults_are_urls():
    assert log_target(Settings().log.url) == SqliteLogTarget(path=Path(".ugc/log.db"))
    assert warehouse_target(Settings().warehouse.url).database == "movies"
