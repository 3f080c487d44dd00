"""The loop that fetches is watched from the end of a rebalance on: who only says that it is alive keeps its partitions from all others."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import KafkaError, UnknownError

from streams.faust_app import FETCHING, App, Fetched, build
from streams.gate import Gate
from streams.settings import Broker, WorkerSettings
from streams.watchdog import Watchdog
from tests.servers import Kafka

NOBODY: set[Any] = set()


@pytest.fixture(name="app")
async def _app(monkeypatch: pytest.MonkeyPatch) -> App:
    """An application that is never started; what Faust does in a rebalance is left out."""

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(faust.App, "_on_partitions_revoked", nothing)
    monkeypatch.setattr(faust.App, "_on_partitions_assigned", nothing)
    return build(WorkerSettings(Broker("127.0.0.1:1")), ["t"], Watchdog(0.0), never)


def late(app: App) -> list[str]:
    return app.watchdog.late(float("inf"))


async def test_nobody_is_watched_before_the_group_has_formed(app: App) -> None:
    app.came_round()
    assert late(app) == []


async def test_whoever_was_given_partitions_must_fetch(app: App) -> None:
    """Given partitions, when Faust never lets the loop go on, then it is late; and no longer once it need not fetch."""
    await app._on_partitions_assigned(NOBODY, 1)
    assert late(app) == [FETCHING]
    app.came_round()
    assert late(app) == [FETCHING]
    await app._on_partitions_revoked(NOBODY)
    app.came_round()
    assert late(app) == []
    await app._on_partitions_assigned(NOBODY, 2)
    assert late(app) == [FETCHING]


async def test_a_loop_that_waits_for_the_taking_is_not_late(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a fetch that nobody takes, then the loop is not late however long that lasts; once it was taken it must come round again."""
    app.joined = True
    consumer: Any = app.consumer
    fetches = Fetches([{"t": ["a"]}, {"t": ["b"]}])
    monkeypatch.setattr(consumer, "_wait_next_records", fetches.fetch)
    monkeypatch.setattr(type(consumer._thread), "behind", 10_000)
    loop = asyncio.create_task(consumer._drain_messages(consumer))
    try:
        await fetches.all_fetched.wait()
        await asyncio.sleep(0.01)
        assert (app.fetched.full(), late(app)) == (True, [])
        await app.fetched.get()
        await fetches.asked_for_more.wait()
        assert late(app) == [FETCHING]
    finally:
        loop.cancel()
        consumer._thread.thread_loop.close()


async def test_the_next_fetch_waits_for_what_was_handed_over(app: App) -> None:
    """Given a fetch that is at work, then the next is put off until all of it is taken, also where that fails; and not for ever."""
    await app.hand_over({"t": ["a", "b"], "u": ["c"]})
    waiting = asyncio.create_task(app.taken())
    for records in (2, 0):
        with app.taking(records):
            await asyncio.sleep(0)
        assert not waiting.done()
    with pytest.raises(RuntimeError), app.taking(1):
        raise RuntimeError
    await asyncio.wait_for(waiting, 60)
    await app.fetched.get()
    await app.hand_over({"t": ["d"]})
    await asyncio.wait_for(app.taken(), 60)


@pytest.mark.parametrize(("ahead", "wanted"), [(True, [b"1"]), (False, [b"1", b"2", b"3"])], ids=["ahead of need", "when wanted"])
async def test_what_came_while_nobody_wanted_it_is_handed_over_with_what_came_before(
    kafka_server: Kafka, prefix: str, ahead: bool, wanted: list[bytes]
) -> None:
    """Given a record that was read, then three more: aiokafka by itself had fetched the first of them, and hands it over alone."""
    place = TopicPartition(f"{prefix}wanted", 0)
    kafka_server.create_topics({place.topic: 1})
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=kafka_server.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, acks="all") as producer, consumer:
        consumer.assign([place])
        gate = Gate(consumer._fetcher)
        gate.ahead = ahead

        async def read() -> list[bytes]:
            found: list[Any] = []
            with gate.wanted():
                while not found:
                    found = (await consumer.getmany(timeout_ms=500)).get(place, [])
            return [record.value for record in found]

        await producer.send_and_wait(place.topic, b"0", partition=0)
        assert await read() == [b"0"]
        for value in (b"1", b"2", b"3"):
            await producer.send_and_wait(place.topic, value, partition=0)
            while ahead and place not in consumer._fetcher._records:  # noqa: ASYNC110 - the fetcher tells nobody
                await asyncio.sleep(0.01)
        assert await read() == wanted


async def test_who_lost_the_group_for_a_moment_joins_again(app: App) -> None:
    """Given an error that aiokafka waits for somebody to take note of, then it goes on, and the worker joins its group again."""
    with member(app) as (reader, coordinator):
        coordinator.error = UnknownError()
        assert told(reader) == []
        assert coordinator.asked == ["note", "join"]
        assert told(reader) == []
        assert coordinator.asked == ["note", "join", "note"]


@pytest.mark.parametrize("lost", ["for long", "with its coordination", "with its fetching"])
async def test_who_lost_the_group_for_good_ends(app: App, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with member(app) as (reader, coordinator):
        coordinator.error = UnknownError()
        assert told(reader) == []
        coordinator.error = UnknownError()
        if lost == "for long":
            monkeypatch.setattr("streams.faust_app.LOST_FOR", 0.0)
        elif lost == "with its coordination":
            coordinator._coordination_task.set_exception(KafkaError())
        else:
            reader._consumer._fetcher.error_future.set_exception(KafkaError())
        assert ["the worker lost its group" in str(error) for error in told(reader)] == [True]


@pytest.mark.parametrize("joined", [True, False], ids=["joined meanwhile", "not yet"])
async def test_how_long_a_group_is_lost_counts_until_the_worker_has_joined_again(app: App, joined: bool) -> None:
    with member(app) as (reader, coordinator):
        coordinator.error = UnknownError()
        app.joined = joined
        assert told(reader) == told(reader) == []
        assert (reader._lost_at is None) is joined


async def test_an_error_of_the_group_that_is_told_to_whoever_fetches_is_left_to_whoever_takes_note(app: App) -> None:
    """Given a fetch that aiokafka ends with its group's error, then nothing was fetched; an error of the fetch itself is raised."""
    with member(app) as (reader, coordinator):
        coordinator._pending_exception = coordinator.error = UnknownError()
        reader._consumer._fetcher.told = coordinator.error
        assert await reader._fetch_records(reader._consumer, NOBODY, timeout=0) == {}
        coordinator._pending_exception = None
        with pytest.raises(UnknownError):
            await reader._fetch_records(reader._consumer, NOBODY, timeout=0)


def told(reader: Any) -> list[Exception]:
    """What a look after the group comes to."""
    lost: list[Exception] = []
    reader.stay_member(lost.append)
    return lost


@contextmanager
def member(app: App) -> Iterator[tuple[Any, Any]]:
    """The application's consumer thread, which is not started, with a client that fetches nothing; and the client's coordinator."""
    consumer: Any = app.consumer
    loop, subscription = asyncio.get_running_loop(), SubscriptionState()
    coordinator = Coordinator()

    async def fetched_records(*_: object, **__: object) -> dict[str, list[object]]:
        if fetcher.told is not None:
            raise fetcher.told
        return {}

    fetcher = SimpleNamespace(
        told=None, error_future=loop.create_future(), fetched_records=fetched_records, _closed=False, _subscriptions=subscription,
        _get_actions_per_node=None, _notify=id, _wait_consume_future=None,
    )  # fmt: skip
    consumer._thread._consumer = SimpleNamespace(_fetcher=fetcher, _coordinator=coordinator, _closed=False, _subscription=subscription)
    yield consumer._thread, coordinator
    consumer._thread.thread_loop.close()


class Coordinator:
    """What the client has of its group: an error that is told once."""

    def __init__(self) -> None:
        self.asked = list[str]()
        self.error: KafkaError | None = None
        self._pending_exception: KafkaError | None = None
        self._coordination_task = asyncio.get_running_loop().create_future()

    def check_errors(self) -> None:
        self.asked.append("note")
        error, self.error = self.error, None
        if error is not None:
            raise error

    def request_rejoin(self) -> None:
        self.asked.append("join")


class Fetches:
    """What is fetched, then nothing ever more."""

    def __init__(self, fetches: list[Fetched]) -> None:
        self.left = fetches
        self.all_fetched, self.asked_for_more = asyncio.Event(), asyncio.Event()

    async def fetch(self, _timeout: float) -> tuple[Fetched, None]:
        if not self.left:
            self.asked_for_more.set()
            await asyncio.Event().wait()
        found = self.left.pop(0)
        if not self.left:
            self.all_fetched.set()
        return found, None


async def never(_fetched: object) -> None:
    """Take nothing."""
