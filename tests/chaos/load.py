"""What is sent while there is trouble: stories by Kafka and by HTTP, many of them again, none in order."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from random import Random

import httpx
from aiokafka import AIOKafkaProducer

from ledger.positions import Partition
from streams.sending import message_of
from tests.ledger.crowd import Event, crowd
from tests.servers.ports import LOOPBACK
from tests.streams.plant import Plant

STORIES = 8
"""A round's stories, of some fifty events each."""
TENANT_OF = 5
"""Rounds that share a tenant: registrations of one touch the patients of all of them."""
PORTION = 20
PAUSE = 0.05
"""Seconds between two portions, so that a round's load lasts as long as its trouble."""
REQUEST = 120_000
"""Milliseconds that a broker may be away."""


def story(number: int, seed: int) -> list[Event]:
    """The events of a round: with closes, shuffled, some twice."""
    return crowd(
        range(seed * 100_000 + number * STORIES, seed * 100_000 + (number + 1) * STORIES), closes=True, tenant=f"t{number // TENANT_OF}"
    )


class Load:
    """Sends events until each was acknowledged, whatever happens meanwhile; keeps what it sent."""

    def __init__(self, plant: Plant, dice: Random, web_port: Callable[[], int]) -> None:
        self.plant, self.dice, self.web_port = plant, dice, web_port
        self.sent: dict[tuple[str, str, str], Event] = {}

    def run(self, events: Sequence[Event]) -> None:
        """Send these events, a tenth of the earlier ones again, and a fifth of all over HTTP; returns when all are acknowledged."""
        again = self.dice.sample(sorted(self.sent), len(self.sent) // 10)[:200]
        told = [*events, *(self.sent[one] for one in again), *self.dice.sample(events, len(events) // 4)]
        self.dice.shuffle(told)
        for event in events:
            self.sent.setdefault((event["tenant"], event["source"], event["id"]), event)
        by_http = [event for event in told if self.dice.random() < 0.2]
        by_kafka = [event for event in told if self.dice.random() < 0.8 or event not in by_http]
        asyncio.run(self._both(by_kafka, by_http))

    async def _both(self, by_kafka: Sequence[Event], by_http: Sequence[Event]) -> None:
        await asyncio.gather(self._produce(by_kafka), self._post(by_http))

    async def _produce(self, events: Sequence[Event]) -> None:
        options = {
            "bootstrap_servers": self.plant.kafka.bootstrap,
            "acks": "all",
            "enable_idempotence": True,
            "request_timeout_ms": REQUEST,
        }
        async with AIOKafkaProducer(**options) as producer:
            for portion in portions(events):
                messages = [message_of(json.dumps(event).encode(), self.plant.layout, self.plant.words) for event in portion]
                waiting = [await producer.send(topic, value, key, headers=list(headers)) for topic, key, value, headers in messages]
                for at in await asyncio.gather(*waiting):
                    self._note((at.topic, at.partition), at.offset)
                await asyncio.sleep(PAUSE)

    def _note(self, place: Partition, offset: int) -> None:
        self.plant.ends[place] = max(self.plant.ends.get(place, 0), offset + 1)

    async def _post(self, events: Sequence[Event]) -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            for portion in portions(events):
                await self._until_taken(client, portion)
                await asyncio.sleep(PAUSE)

    async def _until_taken(self, client: httpx.AsyncClient, events: Sequence[Event]) -> None:
        """Post until the server says that all are taken; RuntimeError where it refuses for good."""
        end = time.monotonic() + REQUEST / 1000
        while time.monotonic() < end:
            try:
                answer = await client.post(f"http://{LOOPBACK}:{self.web_port()}/v1/events", json=list(events))
            except httpx.HTTPError:
                await asyncio.sleep(2 * PAUSE)
                continue
            if answer.status_code == 202:
                return
            if answer.status_code < 500 and answer.status_code != 429:
                raise RuntimeError(f"the server refused with {answer.status_code}: {answer.text}")
            await asyncio.sleep(2 * PAUSE)
        raise RuntimeError("the server took nothing for two minutes")


def portions(events: Sequence[Event]) -> list[Sequence[Event]]:
    """The events in portions."""
    return [events[at : at + PORTION] for at in range(0, len(events), PORTION)]
