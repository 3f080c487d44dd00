"""A real Kafka broker: the one the environment names, else one in Docker, else Apache Kafka's own jars run by Java."""

import asyncio
import base64
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers import broker_files, containers, jars
from tests.servers.asking import knows_a_broker
from tests.servers.broker_files import KafkaSettings
from tests.servers.finding import NoServerError, UnavailableError, first
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process
from tests.servers.switch import Lever, Named, Switch

VARIABLE = "CAREMONTH_TEST_BROKERS"
IMAGE = "confluentinc/cp-kafka:7.9.1"
CONTAINER_PORT = 9093
PATIENCE = 120.0  # seconds until a started broker answers
REMEDY = f"Install Java {jars.JAVA} and Maven, or Docker, or set {VARIABLE} to a broker's host:port (docs/testing.md)."


@dataclass(frozen=True)
class Kafka:
    """A broker that answers. `bootstrap` is host:port; several are separated by commas."""

    bootstrap: str
    switch: Switch

    def create_topics(self, partitions: Mapping[str, int], configs: Mapping[str, str] | None = None) -> None:
        """Create topics by name and number of partitions, one replica each, all with the same settings."""
        topics = [NewTopic(name, number, 1, topic_configs=dict(configs or {})) for name, number in partitions.items()]
        with ThreadPoolExecutor(1) as thread:  # a loop of its own: the caller may be inside one
            thread.submit(asyncio.run, created(self.bootstrap, topics)).result()


@contextmanager
def running_kafka(settings: KafkaSettings | None = None, *, own: bool = False) -> Iterator[Kafka]:
    """A broker for the length of the block; one that was started is ended after it.

    `own` passes over the environment's broker, for what stops and restarts it. `NoServerError` where there is none.
    """
    chosen = settings or KafkaSettings()
    with ExitStack() as stack:
        if not own and (named := os.environ.get(VARIABLE)):
            yield from_environment(named)
        else:
            ways = (lambda stack: from_docker(stack, chosen), lambda stack: from_jars(stack, chosen))
            yield first(ways, stack, missing="There is no Kafka broker to test against", remedy=REMEDY)


def from_environment(named: str, patience: float = 10) -> Kafka:
    """The broker that the environment names. `NoServerError` when it does not answer: it was asked for by name."""
    lever = Named(VARIABLE)
    wait_for(named, lever, patience)
    return Kafka(named, Switch(lever, lambda lever: wait_for(named, lever)))


def from_docker(stack: ExitStack, settings: KafkaSettings) -> Kafka:
    """A broker in a container on a fixed port of the loopback address."""
    containers.require_engine()
    from testcontainers.community.kafka import KafkaContainer

    port = free_port()
    container = KafkaContainer(IMAGE, port=CONTAINER_PORT).with_kraft().with_bind_ports(CONTAINER_PORT, port)
    container.with_kwargs(mem_limit=containers.MEMORY)
    container.with_env("KAFKA_HEAP_OPTS", f"-Xmx{settings.heap_mib}m")
    for key, value in settings.properties().items():
        container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
    lever = containers.run(container, stack)
    return answering(container.get_bootstrap_server(), lever)


def from_jars(stack: ExitStack, settings: KafkaSettings) -> Kafka:
    """A broker that Java runs from Apache Kafka's jars, in a folder that goes when it ends."""
    launcher, library = jars.java(), jars.jars()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="caremonth-kafka-", ignore_cleanup_errors=True)))
    port = free_port()
    broker_files.write(folder, settings, port, free_port())
    java = [launcher, f"-Xmx{settings.heap_mib}m", f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}", "-cp", f"{library}/*"]
    format_storage(java, folder)
    lever = Process([*java, "kafka.Kafka", str(folder / "server.properties")], folder)
    stack.callback(lever.stop)
    lever.start()
    return answering(f"{LOOPBACK}:{port}", lever)


def format_storage(java: list[str], folder: Path) -> None:
    """Give the node its identity on disk, which Kafka without ZooKeeper needs before its first start."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "_")
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(folder / "server.properties")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"Kafka's storage could not be formatted: {(done.stdout + done.stderr)[-1000:]}")


def answering(bootstrap: str, lever: Lever) -> Kafka:
    """A broker that was started, once it answers."""
    switch = Switch(lever, lambda lever: wait_for(bootstrap, lever))
    switch.wait(lever)
    return Kafka(bootstrap, switch)


def wait_for(bootstrap: str, lever: Lever, patience: float = PATIENCE) -> None:
    """Return once the broker says that it is in its cluster. `NoServerError` when it does not within the seconds."""
    until = time.monotonic() + patience
    while not knows_a_broker(bootstrap):
        if (why := lever.failure()) or time.monotonic() > until:
            raise NoServerError(f"The Kafka broker at {bootstrap} does not answer: {why or f'{patience:.0f} s have passed'}.")
        time.sleep(0.1)


async def created(bootstrap: str, topics: list[NewTopic]) -> None:
    """Create the topics, see that each was, and return once every partition has a leader: before, clients log errors and try again."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        answer = await client.create_topics(topics)
        refused = [f"{name}: {message or code}" for name, code, message in answer.topic_errors if code]
        if refused:
            raise ValueError(f"Topics were not created: {'; '.join(refused)}.")
        while not led(await client.describe_topics([topic.name for topic in topics]), topics):  # noqa: ASYNC110 - only the broker knows
            await asyncio.sleep(0.05)
    finally:
        await client.close()


def led(described: list[dict[str, Any]], topics: list[NewTopic]) -> bool:
    """Whether every partition of the topics has a leader."""
    leaders = {topic["topic"]: [partition for partition in topic["partitions"] if partition["leader"] >= 0] for topic in described}
    return all(len(leaders.get(topic.name, ())) == topic.num_partitions for topic in topics)
