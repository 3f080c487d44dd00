"""Events from files to the broker, each to its topic under its key."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from domain.event_errors import Invalid
from domain.vocabulary import Vocabulary
from ledger.codec import decode
from streams.codec import Message, submitted
from streams.settings import Broker
from streams.topics import RECORD, Layout

WAITING: Final = 10_000
"""Messages handed over before their acknowledgements are waited for: what a broker refuses is told, and memory is bounded."""


async def send_all(broker: Broker, layout: Layout, inputs: Iterable[tuple[str, bytes]], words: Vocabulary) -> int:
    """Send each input and return how many the broker acknowledged; raises what it refused for."""
    producer = AIOKafkaProducer(
        **broker.options(), acks="all", enable_idempotence=True, linger_ms=5, max_batch_size=262_144, max_request_size=5_242_880
    )
    sent, waiting = 0, list[Future[Any]]()
    try:
        await producer.start()
        for _, raw in inputs:
            topic, key, value, headers = message_of(raw, layout, words)
            waiting.append(await producer.send(topic, value, key, headers=list(headers)))
            if len(waiting) >= WAITING:
                sent += len(await asyncio.gather(*waiting))
                waiting.clear()
        return sent + len(await asyncio.gather(*waiting))
    finally:
        await producer.stop()


def message_of(raw: bytes, layout: Layout, words: Vocabulary) -> Message:
    """The message of a line. What is no event goes to the general topic as it is, where the worker parks it."""
    try:
        return submitted(decode(raw, words), raw, layout)
    except Invalid:
        return Message(layout.name(RECORD), None, raw, ())
