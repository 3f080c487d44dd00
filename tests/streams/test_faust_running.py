"""What only a running worker on a real broker shows about Faust; the rest is in test_faust_facts.py."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.structs import TopicPartition

from tests.servers import Kafka
from tests.streams.faust_program import SESSION

ROOT = Path(__file__).parents[2]


async def test_an_exception_in_an_agent_commits_the_event_that_failed(kafka_server: Kafka, prefix: str, tmp_path: Path) -> None:
    topic = prefix + "in"
    kafka_server.create_topics({topic: 1})
    await produce(kafka_server.bootstrap, topic, 4)
    with worker("raises", kafka_server.bootstrap, topic, tmp_path) as process:
        await reach(process, kafka_server.bootstrap, topic, 4)
    assert offsets(tmp_path) == [0, 1, 2, 3]


async def test_a_drained_queue_and_our_own_commit_go_on_at_the_next_record_after_a_kill_without_waiting_for_the_session(
    kafka_server: Kafka, prefix: str, tmp_path: Path
) -> None:
    topic = prefix + "in"
    kafka_server.create_topics({topic: 1})
    await produce(kafka_server.bootstrap, topic, 3)
    with worker("drains", kafka_server.bootstrap, topic, tmp_path) as first:
        await reach(first, kafka_server.bootstrap, topic, 3)
        first.kill()
    await produce(kafka_server.bootstrap, topic, 2)
    with worker("drains", kafka_server.bootstrap, topic, tmp_path) as second:
        await reach(second, kafka_server.bootstrap, topic, 5, within=SESSION / 2)
    assert offsets(tmp_path) == [0, 1, 2, 3, 4]


@contextmanager
def worker(mode: str, bootstrap: str, topic: str, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A worker process for the length of the block."""
    command = [sys.executable, "-m", "tests.streams.faust_program", mode, bootstrap, topic, str(folder / "report")]
    with (
        (folder / "log").open("ab") as log,
        subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        except BaseException:
            sys.stderr.write((folder / "log").read_text(encoding="utf-8", errors="replace"))
            raise
        finally:
            process.kill()


def offsets(folder: Path) -> list[int]:
    """The offsets that workers got, in order."""
    return [int(line) for line in (folder / "report").read_text(encoding="ascii").split()]


async def reach(process: "subprocess.Popen[bytes]", bootstrap: str, topic: str, expected: int, within: float = 120.0) -> None:
    """Wait until the worker has committed the offset."""
    until = time.monotonic() + within
    while (found := await committed(bootstrap, topic)) != expected:
        assert process.poll() is None, "the worker ended"
        assert time.monotonic() < until, f"committed is {found}, not {expected}"
        time.sleep(0.2)  # noqa: ASYNC251 - nothing else runs in this loop


async def committed(bootstrap: str, topic: str) -> int | None:
    """The offset that the group of the topic's name has committed for partition 0."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        place = TopicPartition(topic, 0)
        found = await admin.list_consumer_group_offsets(topic, partitions=[place])
        return int(found[place].offset) if place in found else None
    except GroupCoordinatorNotAvailableError:  # before the first group of the broker's life
        return None
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, number: int) -> None:
    """Send records to partition 0 and wait until the broker has them."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for _ in range(number):
            await producer.send_and_wait(topic, b"{}", partition=0)
