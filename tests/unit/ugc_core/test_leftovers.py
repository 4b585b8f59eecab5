"""An append that fails leaves nothing that only the cyclic garbage collector frees."""

from tests.leftovers import failing, left_behind
from ugc_core.adapters.kafka_client import within
from ugc_core.adapters.kafka_writer import KafkaLogWriter
from ugc_core.clock import SystemClock
from ugc_core.errors import LogUnavailableError
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

LATE = LogSection(append_timeout_s=0.01)


async def test_one_that_kafka_does_not_acknowledge():
    writer = KafkaLogWriter(
        KafkaLogTarget(servers=("nowhere:1",)),
        "views",
        LATE,
        clock=SystemClock(),
        max_record_bytes=1_000_000,
    )
    writer._producer.partitions = 1  # and no producer: nothing is ever sent

    assert (
        await left_behind(failing(LogUnavailableError, lambda: writer.append(b"viewer", [b"line"])))
        == 0
    )
    writer._deadlines.close()


async def test_one_that_the_file_refuses(tmp_path, clock, open_sqlite_log):
    async with open_sqlite_log(tmp_path / "log.db", LATE, clock) as log:

        async def run(_) -> None:
            raise LogUnavailableError

        log.writer._file.run, works = run, log.writer._file.run
        assert (
            await left_behind(
                failing(LogUnavailableError, lambda: log.writer.append(b"viewer", [b"line"]))
            )
            == 0
        )
        log.writer._file.run = works


async def test_a_question_that_nobody_answers():
    async def ask(_: int) -> None:
        raise ConnectionError

    assert await left_behind(failing(LogUnavailableError, lambda: within(0.05, "ends", ask))) == 0
