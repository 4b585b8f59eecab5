"""A Kafka that wants TLS and a password: with them it works, without them the error says what."""

import gc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from harness.kafka import Brokers

from tests.integration.kafka_brokers import PASSWORD, USER, guarded_broker
from tests.kafka_logs import kafka_section, require_kafka
from ugc_core.bootstrap import open_log_admin, open_log_consumer, open_log_writer, topics
from ugc_core.clock import SystemClock
from ugc_core.errors import ConfigError, LogUnavailableError
from ugc_core.settings import LogSection

# aiokafka leaves a socket to the collector when TLS fails, and waits for nobody when signing in
# does: its connection ends with the broker's word, and the test's loop may have ended before.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <(function _SelectorTransport|socket.socket)"
    ":pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Brokers, Path]]:
    require_kafka()
    folder = tmp_path_factory.mktemp("guarded")
    with guarded_broker(folder) as brokers:
        yield brokers, folder / "ca.pem"
    gc.collect()  # while the warnings of these tests still are what is ignored


@pytest.fixture
def section(guarded: tuple[Brokers, Path]) -> LogSection:
    brokers, authority = guarded
    section = kafka_section(brokers.url, call_timeout_s=5.0)
    return but(
        section,
        tls=True,
        ca_path=authority,
        sasl_mechanism="PLAIN",
        user=USER,
        password=PASSWORD,
    )


def but(section: LogSection, **changes: object) -> LogSection:
    """Return the settings with another way to connect."""
    kafka = msgspec.structs.replace(section.kafka, **changes)
    return msgspec.structs.replace(section, kafka=kafka)


async def use(section: LogSection) -> list[bytes]:
    """Create the topics, append a line and read it back."""
    clock = SystemClock()
    async with open_log_admin(section) as admin:
        await admin.apply(await admin.plan(topics(section)))
    async with open_log_writer(section, section.topic, clock=clock) as writer:
        await writer.append(b"key", [b"a line"])
    async with open_log_consumer(section, clock=clock) as consumer:
        while True:
            polled = await consumer.poll(max_records=10, timeout_s=5)
            if polled:
                return [record.value for found in polled.values() for record in found]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_with_a_password_and_its_authority_everything_works(section, mechanism):
    assert await use(but(section, sasl_mechanism=mechanism)) == [b"a line"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_wrong_password_says_which_settings_to_check(section, mechanism):
    wrong = but(section, sasl_mechanism=mechanism, password="wrong")

    with pytest.raises(ConfigError, match=r"refused to sign us in .* UGC_LOG__KAFKA__PASSWORD"):
        await use(wrong)


async def test_a_way_to_sign_in_that_the_broker_does_not_have_names_the_setting(section):
    with pytest.raises(ConfigError, match=r"sign in that way; set UGC_LOG__KAFKA__SASL_MECHANISM"):
        await use(but(section, sasl_mechanism="SCRAM-SHA-256"))


async def test_a_certificate_of_an_unknown_authority_is_no_connection(section):
    with pytest.raises(ConfigError, match=r"no TLS connection .* UGC_LOG__KAFKA__CA_PATH"):
        await use(but(section, ca_path=None))


async def test_without_tls_the_broker_is_not_there(section):
    plain = but(section, tls=False, ca_path=None)

    with pytest.raises(LogUnavailableError, match="cannot reach Kafka at 127"):
        await use(plain)


async def test_a_user_without_the_right_is_told_how_to_get_it(section):
    await use(section)
    stranger = but(section, user="stranger")

    with pytest.raises(ConfigError, match=r"does not allow it .* kafka-acls\.sh"):
        await use(stranger)
    with pytest.raises(ConfigError, match=r"does not allow it .* kafka-acls\.sh"):
        async with open_log_writer(stranger, section.topic, clock=SystemClock()):
            pass
