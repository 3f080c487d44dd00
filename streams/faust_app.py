"""The Faust application: one agent over all input topics, raw bytes in, nothing kept in Faust (docs/adr/0010).

Faust's part is group membership and fetching. Its acknowledgements, tables, web server and declared topics are off, since positions
and state are in the ledger's transaction; each fact about Faust that this relies on has a test in tests/streams.
"""

from __future__ import annotations

from asyncio import Queue
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ssl import create_default_context
from typing import Any, Final

import faust
import faust.streams
from faust.types import TP

from streams.records import Place, Record
from streams.settings import Broker, WorkerSettings

RAW: Final = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


class NoFastIterator(RuntimeError):
    """Faust's compiled iterator is missing: without it stale events are acknowledged unprocessed."""


def build(settings: WorkerSettings, topics: Iterable[str], work: Callable[[Queue[Any]], Awaitable[None]]) -> faust.App:
    """The application whose one agent hands the queue of what is fetched to `work`; raises NoFastIterator."""
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise NoFastIterator("faust-streaming was installed without its compiled iterator; install the wheel of this platform")
    app = faust.App(settings.group, **_options(settings))
    topic = app.topic(*topics, acks=False, **RAW)
    channels: list[Any] = []

    async def intake(stream: Any) -> None:
        # A restarted agent goes on with the channel it had: a second one would get every message as well and fill unread.
        if not channels:
            channels.append(aiter(stream.channel))
        await work(channels[0].queue)

    app.agent(topic, name="intake")(intake)
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
        "stream_buffer_maxsize": settings.buffer,
        "stream_wait_empty": False,
        "stream_recovery_delay": 0,
        "store": "memory://",
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
        return faust.SASLCredentials(
            username=broker.username, password=broker.password, mechanism=broker.mechanism, ssl_context=context
        )
    return faust.SSLCredentials(create_default_context(cafile=broker.ca_file)) if broker.tls else None


def record_of(event: Any) -> Record:
    """The record an event of Faust stands for."""
    message = event.message
    return Record(
        Place(message.topic, message.partition), message.offset, message.key, message.value, message.headers or (), int(message.timestamp * 1000)
    )


async def commit(app: faust.App, offsets: Mapping[Place, int]) -> None:
    """Tell the broker how far the ledger is, for partitions that are ours. The ledger's positions stay the truth: this only
    saves reading again what was taken."""
    consumer: Any = app.consumer
    mine = {TP(*place): offset for place, offset in offsets.items() if TP(*place) in consumer.assignment()}
    if mine:
        await consumer._commit(mine)  # noqa: SLF001 - there is no public call without Faust's acknowledgements
