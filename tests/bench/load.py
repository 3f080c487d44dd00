"""A producer that sends events at a steady rate, and remembers when it sent each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from time import perf_counter
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer

from domain.rulebook_vocabulary import vocabulary
from ledger.rule_files import PACKAGED, load_rulebook
from streams.codec import Message
from streams.sending import message_of
from streams.topics import Layout

RATE: Final = 500


class Sent:
    """When each event was handed to the producer: by tenant, patient and recording time, of one second the last."""

    def __init__(self) -> None:
        self.at: dict[tuple[str, str, str], float] = {}

    def note(self, message: Message) -> None:
        """Remember an event that is about to be sent."""
        event = orjson.loads(message.value)
        self.at[event["tenant"], event["subject"], event["time"]] = perf_counter()


def messages(lines: Sequence[bytes], layout: Layout) -> list[Message]:
    """The messages of events, ready to be sent."""
    words = vocabulary(load_rulebook(PACKAGED))
    return [message_of(line, layout, words) for line in lines]


@asynccontextmanager
async def producer(servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that does not lose and does not wait for more."""
    made = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=0)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def steadily(made: AIOKafkaProducer, some: Sequence[Message], sent: Sent, rate: int = RATE) -> None:
    """Send each at its time."""
    start = perf_counter()
    for number, message in enumerate(some):
        await asyncio.sleep(start + number / rate - perf_counter())
        sent.note(message)
        await made.send(message.topic, message.value, message.key, headers=list(message.headers))
    await made.flush()


@asynccontextmanager
async def background(servers: str, some: Sequence[Message], rate: int = RATE) -> AsyncIterator[None]:
    """The same events over and over for the length of the block: what was taken before moves positions as well."""

    async def on_and_on() -> None:
        async with producer(servers) as made:
            start = perf_counter()
            for number, message in enumerate(cycle(some)):
                await asyncio.sleep(start + number / rate - perf_counter())
                await made.send(message.topic, message.value, message.key, headers=list(message.headers))

    sending = asyncio.create_task(on_and_on())
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
