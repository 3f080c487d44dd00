"""What the streams rely on in faust-streaming, mode-streaming and aiokafka: an upgrade that changes one of these must be noticed.

Each test is one fact; what only a running worker shows is in test_faust_running.py.
"""

import asyncio
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import faust.streams
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaConnectionError
from faust.cli.worker import worker
from faust.exceptions import ValueDecodeError
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tests.servers import Kafka
from tests.streams.faust_bench import PLACE, RAW, Applications, default, deliver, message, worker_consumer

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}


@pytest.mark.parametrize("package", PINNED)
def test_the_packages_are_the_ones_whose_sources_were_read_and_no_others_can_be_installed(package: str) -> None:
    assert version(package) == PINNED[package]
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert f'"{package}=={PINNED[package]}"' in pyproject.read_text(encoding="utf-8")


@pytest.fixture(name="application")
def _application() -> Iterator[Applications]:
    made = Applications()
    yield made
    made.close()


# Fact 1: an exception acknowledges.


@pytest.mark.parametrize("name", ["stream_ack_exceptions", "stream_ack_cancelled_tasks"])
def test_the_settings_that_promise_not_to_acknowledge_a_failure_are_read_nowhere(name: str) -> None:
    package = Path(faust.__file__).parent
    sources = [path for path in (*package.rglob("*.py"), *package.rglob("*.pyx")) if "settings" not in path.parts]
    assert len(sources) > 100
    assert not [path for path in sources if name in path.read_text(encoding="utf-8")]


# Fact 2 and the acknowledgements' arithmetic.


@pytest.mark.parametrize(
    ("committed", "acknowledged", "commit"),
    [
        (None, [1], 2),  # offset 0 was passed over
        (0, [7], 8),  # so were 0 to 6: a committed offset of zero counts as none
        (5, [6], 7),  # and so was 5, the next to be processed when 5 is committed
        (5, [9], None),  # only the highest acknowledged: that is never committed
        (5, [5, 6, 8], 7),
    ],
)
async def test_acknowledging_out_of_order_commits_past_what_was_not_or_nothing_at_all(
    application: Applications, committed: int | None, acknowledged: list[int], commit: int | None
) -> None:
    consumer = application().consumer
    consumer._committed_offset[PLACE] = committed
    consumer._acked[PLACE] = list(acknowledged)
    assert consumer._new_offset(PLACE) == commit


# Fact 4 and raw bytes.


async def test_a_typed_topic_acknowledges_and_drops_what_it_cannot_decode(application: Applications) -> None:
    app = application()
    sent = message(value=b"no json")
    channel = await deliver(app, app.topic("in", value_type=dict, value_serializer="json"), sent)
    assert sent.acked
    with pytest.raises(ValueDecodeError):
        channel.queue.get_nowait()  # which ends the agent as any exception does
    assert channel.queue.empty()


@pytest.mark.parametrize("value", [b"no json", b"", None])
async def test_a_raw_topic_delivers_every_value_as_it_came_the_tombstone_too(application: Applications, value: bytes | None) -> None:
    app = application()
    channel = await deliver(app, app.topic("in", acks=False, **RAW), message(value=value))
    event = channel.queue.get_nowait()
    assert (event.key, event.value, event.message.value, event.message.headers) == (b"key", value, value, [("h", b"1")])
    assert not event.message.acked


# Fact 7: a rebalance forgets acknowledgements and empties the buffers.


async def test_a_revoked_partition_takes_its_uncommitted_acknowledgements_along(application: Applications) -> None:
    app = application()

    async def nothing(*_: object) -> None: ...

    consumer = app.transport.create_consumer(nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    app.consumer = consumer
    consumer._acked[PLACE] = [0, 1, 2]
    await consumer.on_partitions_revoked({PLACE})
    assert not consumer._acked[PLACE]


async def test_a_rebalance_empties_the_queue_that_is_drained_and_so_does_its_end(application: Applications) -> None:
    app = application()
    channel = await deliver(app, app.topic("in", acks=False, **RAW), message())
    app.flow_control.clear()
    assert channel.queue.empty()
    await app.topics.on_message(message(1))
    app.flow_control.resume()
    assert channel.queue.empty()


async def test_a_record_tells_the_generation_it_was_fetched_in_for_the_queue_itself_does_not_check(application: Applications) -> None:
    app = application()
    channel = await deliver(app, app.topic("in", acks=False, **RAW), message(generation=4))
    app.consumer_generation_id = 5
    assert channel.queue.get_nowait().message.generation_id == 4


# Fact 8: stale events.


def test_the_compiled_iterator_is_installed() -> None:
    assert vars(faust.streams)["_CStreamIterator"] is not None


@pytest.mark.parametrize(("iterate", "acknowledged"), [("_c_aiter", False), ("_py_aiter", True)])
async def test_without_the_compiled_iterator_a_stale_event_is_acknowledged_unprocessed(
    application: Applications, iterate: str, acknowledged: bool
) -> None:
    app = application(stream_wait_empty=False)
    app.consumer_generation_id = 2
    stale, fresh = message(0, b"stale", generation=1), message(1, b"fresh", generation=2)
    channel = await deliver(app, app.topic("in", **RAW), stale)
    await app.topics.on_message(fresh)
    stream = app.stream(channel).noack()
    events = getattr(stream, iterate)()
    assert await asyncio.wait_for(anext(events), 30) == b"fresh"
    assert (stale.acked, fresh.acked) == (acknowledged, False)
    await events.aclose()


# Facts 9 and 10: the producer.


async def test_a_send_only_queues_and_the_second_await_is_the_brokers_word(
    application: Applications, kafka_server: Kafka, prefix: str
) -> None:
    kafka_server.create_topics({prefix + "out": 1})
    app = application(kafka_server.bootstrap)
    await app.producer.start()
    try:
        queued = await app.topic(prefix + "out", **RAW).send(key=b"k", value=b"v")
        assert not queued.done()
        assert (await queued).offset == 0
    finally:
        await app.producer.stop()


async def test_the_producer_waits_for_all_replicas_and_is_not_idempotent_unless_told(application: Applications) -> None:
    producer = application().transport.create_producer()
    settings = {**producer._settings_default(), **producer._settings_extra()}
    assert settings["acks"] == -1
    assert "enable_idempotence" not in settings
    assert inspect.signature(AIOKafkaProducer).parameters["enable_idempotence"].default is False


# Fact 11: the web, and what is logged.


@pytest.mark.parametrize("name", ["web_enabled", "web_tables_enabled", "web_router_enabled"])
def test_the_web_server_and_the_pages_that_show_data_are_on_by_default(application: Applications, name: str) -> None:
    assert default(name) is True
    assert getattr(application().conf, name) is True


def test_the_worker_command_turns_the_web_on_whatever_the_settings_say_unless_told_without_web(application: Applications) -> None:
    option = next(option for option in worker.worker_options if option.args == ("--with-web/--without-web",))
    assert option.kwargs["default"] is True
    app = application(web_enabled=False)
    command = object.__new__(worker)
    command.app = app
    command._init_worker_options(with_web=True, web_port=None, web_bind=None, web_host=None, web_transport=None)
    assert app.conf.web_enabled is True


def test_debug_logs_print_keys_and_values() -> None:
    assert re.search(r"DROPPED MESSAGE .*k=%r v=%r", inspect.getsource(Consumer._drain_messages))
    assert re.search(r"logger\.debug\(\s*\"send: .*k=%r v=%r", inspect.getsource(driver.ThreadedProducer.publish_message))


# Fact 12: static membership.


async def test_a_worker_of_a_fixed_name_does_not_leave_its_group_when_it_stops() -> None:
    assert "self._group_instance_id is None" in inspect.getsource(GroupCoordinator._maybe_leave_group)


async def test_the_workers_consumer_commits_only_when_told_under_its_fixed_name_and_reads_what_was_rolled_back(
    application: Applications,
) -> None:
    app = application(consumer_group_instance_id="one", broker_session_timeout=6.0)
    async with worker_consumer(app) as consumer:
        assert consumer._group_instance_id == "one"
        assert consumer._enable_auto_commit is False
        assert consumer._session_timeout_ms == 6000
        assert consumer._isolation_level == "read_uncommitted"


# Fact 14: which worker gets what.


@pytest.mark.parametrize(("replicas", "together"), [(1, True), (0, False)])
async def test_the_same_partition_of_two_topics_goes_to_one_worker_only_under_fausts_own_assignor(
    application: Applications, replicas: int, together: bool
) -> None:
    app = application(table_standby_replicas=replicas)
    thread = app.consumer._thread
    async with worker_consumer(app):
        pass
    assert default("table_standby_replicas") == 1
    assert (thread._assignor is app.assignor) is together
    assert (thread._assignor is RoundRobinPartitionAssignor) is not together
    cluster = Cluster({"a": 3, "b": 3})
    members = {name: app.assignor.metadata({"a", "b"}) for name in ("one", "two")}
    owners = {
        TP(topic, partition): member
        for member, assigned in thread._assignor.assign(cluster, members).items()
        for topic, partitions in assigned.assignment
        for partition in partitions
    }
    assert set(owners) == {TP(topic, partition) for topic in "ab" for partition in range(3)}
    assert all(owners[TP("a", partition)] == owners[TP("b", partition)] for partition in range(3)) is together


class Cluster:
    """As much of the cluster's metadata as an assignor asks for."""

    def __init__(self, partitions: dict[str, int]) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._partitions[topic]))


# Draining the queue and committing by our own call.


async def test_a_topic_without_acknowledgements_is_read_and_never_committed_by_faust(application: Applications) -> None:
    app = application()
    silent = await deliver(app, app.topic("in", acks=False, **RAW), message())
    assert not app.topics.acks_enabled_for("in")
    sent = silent.queue.get_nowait().message
    assert not sent.ack(app.consumer)
    assert not app.consumer._acked[PLACE]


async def test_each_reader_of_a_topic_gets_every_record_and_a_reader_iterated_again_is_itself(application: Applications) -> None:
    app = application()
    topic = app.topic("in", acks=False, **RAW)
    first = aiter(topic)
    assert aiter(first) is first
    second = await deliver(app, topic, message())
    assert (first.queue.qsize(), second.queue.qsize()) == (1, 1)


async def test_the_commit_that_takes_offsets_runs_in_the_consumers_thread_for_assigned_partitions_only(application: Applications) -> None:
    assert list(inspect.signature(ThreadDelegateConsumer._commit).parameters) == ["self", "offsets"]
    assert "if tp in self.assignment()" in inspect.getsource(driver.AIOKafkaConsumerThread._commit)
    assert isinstance(application().consumer, ThreadDelegateConsumer)


# What aiokafka tells whoever reads, Faust's reading passes over.


async def test_the_client_leaves_its_group_alone_until_somebody_takes_note_of_an_error_which_faust_never_does(
    kafka_server: Kafka, prefix: str
) -> None:
    package = Path(faust.__file__).parent
    assert not [path for path in package.rglob("*.py") if "check_errors" in path.read_text(encoding="utf-8")]
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka_server.bootstrap, group_id=f"{prefix}noted")
    async with consumer:
        coordinator: GroupCoordinator = consumer._coordinator
        waiting = asyncio.ensure_future(coordinator._push_error_to_user(KafkaConnectionError()))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        with pytest.raises(KafkaConnectionError):
            coordinator.check_errors()
        await asyncio.wait_for(waiting, 60)
        coordinator.check_errors()
