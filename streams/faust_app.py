"""The Faust application: one agent over all input topics, raw bytes in, nothing kept in Faust (docs/adr/0011).

Faust's part is group membership and fetching. Its acknowledgements, tables, web server and declared topics are off, since positions
and state are in the ledger's transaction; each fact about Faust that this relies on has a test in tests/streams.
"""

from __future__ import annotations

import asyncio
from asyncio import Queue
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ssl import create_default_context
from time import monotonic
from typing import Any, Final, cast

import faust
import faust.streams
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka
from faust.types import TP

from streams import lenient
from streams.admin import BrokerError
from streams.gate import Gate
from streams.records import Place, Record
from streams.settings import Broker, WorkerSettings
from streams.watchdog import Watchdog

FETCH: Final = 262_144
"""Bytes of a partition fetched at once; a record that is larger comes alone."""
PIECE: Final = 1_000
"""Records handed over at once: they are read piece by piece while others are taken."""
LINGER: Final = 0.1
"""Seconds for which the next fetch waits at most, at the end of the streams, for the last one to be taken. A batch costs much whatever it
holds, and what was fetched early would only wait beside what it could have been fetched with."""
FETCHING: Final = "fetching"
COMMIT_WITHIN: Final = 5.0
"""Seconds a commit may take: while the broker is away it would be tried again for ever, and fetching wait behind it."""
LOST_FOR: Final = 30.0
"""Seconds in which a worker tries to get back into its group, whatever the broker says; then it ends."""
RAW: Final[dict[str, Any]] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
Fetched = Mapping[Any, Sequence[ConsumerRecord]]


class NoFastIteratorError(RuntimeError):
    """Faust's compiled iterator is missing: without it stale events are acknowledged unprocessed."""


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """The thread of the broker's client: committed records only, and a commit that fails is no reason to end.

    `behind` is how many records the broker had, by its last word, beyond those handed over.
    """

    behind = 0
    _gate: Gate | None = None
    _lost_at: float | None = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        lenient.install()
        consumer = super()._create_worker_consumer(transport)
        # Faust reads what was rolled back as well, unless it takes part in transactions itself.
        consumer._isolation_level = "read_committed"
        return consumer

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        known = {TopicPartition(*place): offset for place, offset in offsets.items() if place in self.assignment()}
        try:
            async with asyncio.timeout(COMMIT_WITHIN):
                await self._ensure_consumer().commit(known)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # The ledger's positions hold; the next commit says the same and more.
            structlog.get_logger("worker").warning("not_committed", error=type(error).__name__)
            return False
        return True

    async def _fetch_records(self, consumer: Any, *arguments: Any, **options: Any) -> Any:
        if self._gate is None or self._gate.fetcher is not consumer._fetcher:
            self._gate = Gate(consumer._fetcher)
        with self._gate.wanted():
            try:
                found = await super()._fetch_records(consumer, *arguments, **options)
            except KafkaError:
                if consumer._coordinator._pending_exception is None:
                    raise
                found = {}  # told to whoever waits for records as well; `stay_member` takes note of it
        self.behind = _behind(consumer)
        self._gate.ahead = self.behind >= PIECE
        return found

    def stay_member(self, lost: Callable[[Exception], object]) -> None:
        """Take note of an error that the client came by in its group, and join again; one that stays is `lost`. Called in the thread.

        The client stops dealing with its group until somebody takes note, which Faust never does: a worker would go on by an old
        assignment, or hold up all others while they wait for it to join them again.
        """
        consumer: Any = self._consumer
        if consumer is None or consumer._closed:
            return
        try:
            if consumer._fetcher.error_future.done():
                consumer._fetcher.error_future.result()
            consumer._coordinator.check_errors()
            if cast(App, self.app).joined:
                self._lost_at = None
        except KafkaError as error:
            self._lost_at = self._lost_at or monotonic()
            ended = consumer._fetcher.error_future.done() or consumer._coordinator._coordination_task.done()
            if ended or monotonic() - self._lost_at > LOST_FOR:
                lost(BrokerError(f"the worker lost its group ({type(error).__name__}); see the broker's log, and start it again"))
                return
            structlog.get_logger("worker").warning("joins_again", error=type(error).__name__)
            consumer._coordinator.request_rejoin()

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where partitions that are ours end, by the broker's last word; asked in the thread that assigns them."""
        found: dict[Place, int] = await self.call_thread(self._ends, list(places))
        return found

    async def _ends(self, places: Iterable[Place]) -> dict[Place, int]:
        consumer = self._ensure_consumer()
        known = {place: consumer.highwater(TopicPartition(*place)) for place in places if TopicPartition(*place) in consumer.assignment()}
        return {place: end for place, end in known.items() if end is not None}


def _behind(consumer: Any) -> int:
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None:
        return 0
    states = [assignment.state_value(place) for place in assignment.tps]
    return sum(max(0, state.highwater - state.position) for state in states if state.has_valid_position and state.highwater is not None)


class Consumer(aiokafka.Consumer):
    """Hands over whole fetches instead of one message at a time through Faust's channels.

    A channel costs two tasks a message; and what a rebalance clears from it would be lost, were positions not in the ledger.
    """

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        app = cast(App, self.app)
        while not (self.should_stop or fetcher.should_stop):
            app.came_round()
            records, _ = await self._wait_next_records(1.0)
            if records:
                app.watchdog.idle(FETCHING)  # whoever is at work on what was fetched is watched
                await app.hand_over(records)
                if cast(ConsumerThread, self._thread).behind < PIECE:
                    await app.taken()


class Transport(aiokafka.Transport):
    """Kafka by aiokafka, with our consumer."""

    Consumer = Consumer


class App(faust.App):
    """A Faust application whose fetches go to one queue.

    Fetching stops with each rebalance until Faust lets it go on. From the end of the rebalance it must come round: a worker that is
    alive to its group and reads nothing would keep its partitions from everybody.
    """

    def __init__(self, watchdog: Watchdog, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fetched: Queue[Fetched] = Queue(1)
        self.watchdog = watchdog
        self.joined = False
        self._under_way = 0
        self._all_taken = asyncio.Event()

    def came_round(self) -> None:
        """Fetching goes on, as it must while nobody rebalances."""
        if self.joined:
            self.watchdog.turning(FETCHING)

    async def hand_over(self, fetched: Fetched) -> None:
        """Give a fetch to whoever reads the queue, once the one before it is gone from there."""
        await self.fetched.put(fetched)
        self._under_way += sum(map(len, fetched.values()))
        self._all_taken.clear()

    @contextmanager
    def taking(self, records: int) -> Iterator[None]:
        """So many of the records that were handed over are taken in the block."""
        try:
            yield
        finally:
            self._under_way -= records
            if self._under_way <= 0:
                self._all_taken.set()

    async def taken(self) -> None:
        """Wait until all that was handed over is taken, or for `LINGER` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._all_taken.wait()

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.joined = False
        self.watchdog.idle(FETCHING)
        await super()._on_partitions_revoked(revoked)

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super()._on_partitions_assigned(assigned, generation_id)
        self.joined = True
        # Before it lets fetching go on Faust asks where the group has read to, for as long as a request may take.
        self.watchdog.turning(FETCHING, self.conf.broker_request_timeout)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """None: there are no tables to keep, and the file system may be read-only."""


def build(settings: WorkerSettings, topics: Iterable[str], watchdog: Watchdog, work: Callable[[Queue[Fetched]], Awaitable[None]]) -> App:
    """The application whose one agent hands what is fetched to `work`; raises NoFastIteratorError."""
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise NoFastIteratorError("faust-streaming was installed without its compiled iterator; install the wheel of this platform")
    app = App(watchdog, settings.group, **_options(settings))

    async def intake(stream: Any) -> None:
        # Iterating over the channel is what subscribes; nothing comes through it. A restarted agent must not subscribe again.
        if not app.topics:
            aiter(stream.channel)
        await work(app.fetched)

    app.agent(app.topic(*topics, acks=False, **RAW), name="intake")(intake)
    return app


def _options(settings: WorkerSettings) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{server}" for server in settings.broker.servers.split(",")],
        "broker_credentials": _credentials(settings.broker),
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.session_timeout / 4,
        "broker_request_timeout": max(40.0, settings.session_timeout * 2),
        "broker_max_poll_interval": settings.stall_after * 2,
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance,
        # What is fetched beyond a batch stays with the client, some of each partition: memory is bounded by that.
        "broker_max_poll_records": PIECE,
        "consumer_max_fetch_size": FETCH,
        "stream_wait_empty": False,
        "stream_recovery_delay": 0,
        "store": "memory://",
        # Without standby replicas Faust would deal partitions out singly; so, one number of all topics goes to one worker.
        "table_standby_replicas": 1,
        "autodiscover": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "web_tables_enabled": False,
        "web_router_enabled": False,
        "producer_acks": -1,
    }


def _credentials(broker: Broker) -> Any:
    if broker.username is not None:
        context = create_default_context(cafile=broker.ca_file) if broker.tls else None
        return faust.SASLCredentials(username=broker.username, password=broker.password, mechanism=broker.mechanism, ssl_context=context)
    return faust.SSLCredentials(create_default_context(cafile=broker.ca_file)) if broker.tls else None


def records_of(fetched: Fetched) -> Iterator[Record]:
    """The records of one fetch."""
    for at, rows in fetched.items():
        place = Place(at.topic, at.partition)
        for row in rows:
            yield Record(place, row.offset, row.key, row.value, row.headers, row.timestamp)


async def commit(app: faust.App, offsets: Mapping[Place, int]) -> None:
    """Tell the broker how far the ledger is, for partitions that are ours. The ledger's positions stay the truth: this only
    saves reading again what was taken."""
    consumer: Any = app.consumer
    mine = {TP(*place): offset for place, offset in offsets.items() if TP(*place) in consumer.assignment()}
    if mine:
        await consumer._commit(mine)


def behind(app: App) -> int:
    """How many records wait at the broker, by its last word, and in the queue of what was fetched at least one a fetch."""
    consumer: Any = app.consumer
    return cast(ConsumerThread, consumer._thread).behind + app.fetched.qsize()


async def ends(app: faust.App, places: Iterable[Place]) -> dict[Place, int]:
    """Where partitions end, as far as they are ours and the broker has said."""
    consumer: Any = app.consumer
    thread = cast(ConsumerThread, consumer._thread)  # Faust's own call raises in the midst of a rebalance
    return await thread.ends(places)


def stay_member(app: App, lost: Callable[[Exception], object]) -> None:
    """Have the client's errors in its group taken note of, in its thread; one that stays is `lost`, which is called in this one."""
    consumer: Any = app.consumer
    loop, thread = asyncio.get_running_loop(), cast(ConsumerThread, consumer._thread)
    thread.thread_loop.call_soon_threadsafe(thread.stay_member, lambda error: loop.call_soon_threadsafe(lost, error))
