"""A Faust application on a bench: no broker, its parts taken out and tried one by one."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import faust
from faust.types import TP, ConsumerMessage
from faust.types.settings import Settings

RAW: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
PLACE = TP("in", 0)


class Applications:
    """Makes applications that are never started."""

    def __init__(self) -> None:
        self._made: list[faust.App] = []

    def __call__(self, broker: str = "127.0.0.1:1", **settings: Any) -> Any:
        """An application; typed as anything, since what is tried is private mostly."""
        app = faust.App("facts", broker=f"kafka://{broker}", store="memory://", autodiscover=False, **settings)
        self._made.append(app)
        return app

    def close(self) -> None:
        """Close the event loops that consumers make at birth for threads which they then never started."""
        for app in self._made:
            app.consumer._thread.thread_loop.close()  # type: ignore[attr-defined]


@asynccontextmanager
async def worker_consumer(app: Any) -> AsyncIterator[Any]:
    """The client that a worker of the application would read with, never connected."""
    consumer = app.consumer._thread._create_worker_consumer(app.transport)
    try:
        yield consumer
    finally:
        await consumer.stop()


def default(name: str) -> Any:
    """What a setting is when nobody sets it."""
    return Settings.SETTINGS[name].default


def message(offset: int = 0, value: bytes | None = b"{}", generation: int = 0) -> ConsumerMessage:
    """A record as the consumer hands it to the conductor."""
    return ConsumerMessage(
        *PLACE, offset, time.time(), 0, [("h", b"1")], b"key", value, None, tp=PLACE, generation_id=generation, time_in=time.time()
    )


async def deliver(app: Any, topic: Any, sent: ConsumerMessage) -> Any:
    """Let the conductor deliver a record to the topic's reader, whose channel is returned."""
    channel = aiter(topic)
    app.flow_control.resume()
    await app.topics._update_indices()
    await app.topics.on_partitions_assigned({PLACE})
    await app.topics.on_message(sent)
    return channel
