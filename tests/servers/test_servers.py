"""The harness itself: servers come up, keep what they were given over a restart and a crash, go when they should, or say why not."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.servers import Kafka, KafkaSettings, NoServerError, NotOursError, Postgres, kafka, postgres, running_kafka, running_postgres
from tests.servers.postgres import DRIVER

ROOT = Path(__file__).parents[2]
HOLD = """
from tests.servers.postgres import DURABLE, from_programs
from contextlib import ExitStack
with ExitStack() as stack:
    print(from_programs(stack, DURABLE).url.port, flush=True)
    input()
"""
HIDDEN = "import sys; sys.modules['pgserver'] = None\n"  # what an import system shows where the wheel is not installed


async def test_a_record_goes_into_the_broker_and_comes_out(kafka_server: Kafka, prefix: str) -> None:
    kafka_server.create_topics({prefix + "in": 3})
    await produce(kafka_server.bootstrap, prefix + "in", b"one")
    assert await consume(kafka_server.bootstrap, prefix + "in", 1) == [b"one"]


async def test_a_topic_takes_partitions_and_settings_and_a_second_of_its_name_is_refused(kafka_server: Kafka, prefix: str) -> None:
    kafka_server.create_topics({prefix + "in": 3}, {"max.message.bytes": "10"})
    with pytest.raises(ValueError, match=r"Topics were not created: .*in"):
        kafka_server.create_topics({prefix + "in": 3})


@pytest.mark.parametrize("crash", [False, True])
async def test_a_broker_comes_back_on_its_port_with_its_records(stoppable_kafka: Kafka, prefix: str, crash: bool) -> None:
    stoppable_kafka.create_topics({prefix + "in": 1})
    await produce(stoppable_kafka.bootstrap, prefix + "in", b"before")
    stoppable_kafka.switch.kill() if crash else stoppable_kafka.switch.stop()
    stoppable_kafka.switch.start()
    await produce(stoppable_kafka.bootstrap, prefix + "in", b"after")
    assert await consume(stoppable_kafka.bootstrap, prefix + "in", 2) == [b"before", b"after"]


@pytest.mark.parametrize("crash", [False, True])
def test_a_postgres_comes_back_on_its_port_with_its_rows(stoppable_postgres: Postgres, crash: bool) -> None:
    with stoppable_postgres.database() as url:
        execute(url, "CREATE TABLE kept AS SELECT 1 AS one")
        stoppable_postgres.switch.kill() if crash else stoppable_postgres.switch.stop()
        with pytest.raises(psycopg.OperationalError):
            execute(url, "SELECT one FROM kept")
        stoppable_postgres.switch.start()
        assert execute(url, "SELECT one FROM kept") == [(1,)]


def test_a_committed_row_is_on_disk(database_url: str) -> None:
    assert database_url.startswith(f"{DRIVER}://")
    assert [execute(database_url, f"SHOW {name}") for name in ("fsync", "synchronous_commit")] == [[("on",)], [("on",)]]


def test_each_database_is_fresh_and_goes_with_its_last_client(postgres_server: Postgres) -> None:
    with postgres_server.database() as first, postgres_server.database() as second:
        execute(first, "CREATE TABLE mine (id int)")
        assert execute(second, "SELECT to_regclass('mine')") == [(None,)]
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        execute(first, "SELECT 1")


def test_the_broker_may_be_told_to_flush_each_append() -> None:
    assert "log.flush.interval.messages" not in KafkaSettings().properties()
    assert KafkaSettings(flush_every=1).properties()["log.flush.interval.messages"] == "1"


def test_servers_that_the_environment_names_are_used_and_not_stopped(
    kafka_server: Kafka, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAREMONTH_TEST_BROKERS", kafka_server.bootstrap)
    monkeypatch.setenv("CAREMONTH_TEST_DATABASE_URL", postgres_server.url.render_as_string(hide_password=False))
    with running_kafka() as broker, running_postgres() as server:
        assert (broker.bootstrap, server.url) == (kafka_server.bootstrap, postgres_server.url)
        for switch, named in ((broker.switch, "CAREMONTH_TEST_BROKERS"), (server.switch, "CAREMONTH_TEST_DATABASE_URL")):
            with pytest.raises(NotOursError, match=named):
                switch.kill()
    kafka_server.create_topics({"t.alive." + os.urandom(4).hex(): 1})


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (
            "kafka",
            "no Kafka broker to test against: Docker's engine does not answer; there is no Java 17. Install Java 17 and Maven, or Docker",
        ),
        (
            "postgres",
            "no Postgres to test against: Docker's engine does not answer; the wheel 'pgserver' is not installed and there is no 'initdb'",
        ),
    ],
)
def test_where_nothing_is_installed_a_sentence_says_what_to_install(which: str, sentence: str, tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", f"{HIDDEN}from tests.servers import running_{which}\nwith running_{which}(): pass"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert f"NoServerError: There is {sentence}" in said.stderr


def test_a_named_server_that_does_not_answer_is_not_replaced_in_silence() -> None:
    with pytest.raises(NoServerError, match=r"The Postgres at 127\.0\.0\.1:1 does not answer: connection"):
        postgres.from_environment("postgresql://nobody@127.0.0.1:1/none", patience=0)
    with pytest.raises(NoServerError, match=r"The Kafka broker at 127\.0\.0\.1:1 does not answer: 0 s have passed"):
        kafka.from_environment("127.0.0.1:1", patience=0)


def test_a_server_and_its_data_go_with_their_starter_however_that_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(opened(tmp_path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        server = postmaster(int(holder.stdout.readline()))
        assert list(tmp_path.iterdir())
        holder.send_signal(signal.SIGKILL)
    until = time.monotonic() + 30
    while alive(server) or list(tmp_path.iterdir()):
        assert time.monotonic() < until, "the server outlives the process that started it"
        time.sleep(0.05)


def opened(folder: Path) -> Path:
    """The folder, with a way in for the user that Postgres runs as where the tests are root."""
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)
    return folder


def postmaster(port: int) -> int:
    """The process id of the server that listens on the port, from its own mouth."""
    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres") as connection:
        row = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int").fetchone()
    assert row is not None
    return int(row[0])


def alive(process: int) -> bool:
    """Whether there is a process of that id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement in a connection of its own; its rows."""
    with psycopg.connect(url.replace(DRIVER, "postgresql")) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    """Send one record and wait until the broker has it."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, value)


async def consume(bootstrap: str, topic: str, number: int) -> list[bytes]:
    """The first records of a topic."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(number)]
