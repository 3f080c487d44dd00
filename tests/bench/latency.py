"""From the event that fills a threshold, handed to a producer, to the line's message, read from the billing topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from statistics import quantiles
from time import perf_counter
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.settlement import LINE_READY
from streams.topics import BILLING_LINES, PARTITIONS
from tests.bench.figures import Figure, at_most, figure
from tests.bench.installation import Installation, Servers, installation, running_servers, wait_until
from tests.bench.load import RATE, Sent, messages, producer, steadily
from tests.bench.workbench import Workbench

WARM: Final = 0.2
"""The share of the events that is sent before anything is measured: processes have then done all they do once."""
QUIET: Final = 3.0
"""Seconds without a message after which no more are waited for."""


def figures(bench: Workbench) -> Iterator[Figure]:
    """The 50th and 99th percentile of the milliseconds."""
    stream = bench.steady_stream()
    with running_servers() as servers:
        runs = [_percentiles(servers, bench, stream) for _ in range(bench.sizes.broker_runs)]
    more: dict[str, Any] = {"rate": RATE, "events": len(stream), "lines": [lines for *_, lines in runs]}
    yield figure("latency_p50", "ms", [middle for middle, *_ in runs], **more)
    yield figure("latency_p99", "ms", [late for _, late, _ in runs], at_most(100), **more)


def _percentiles(servers: Servers, bench: Workbench, stream: list[bytes]) -> tuple[float, float, int]:
    """The two, on a new installation, and of how many lines."""
    with installation(servers, bench.folder) as one:
        took = [1000 * seconds for seconds in _measured(one, stream)]
    if not took:
        raise RuntimeError(f"none of {len(stream)} events made a line: there is no latency to tell")
    cuts = quantiles(took, n=100, method="inclusive") if len(took) > 1 else took * 99
    return cuts[49], cuts[98], len(took)


def _measured(one: Installation, stream: list[bytes]) -> list[float]:
    programs = [one.worker("w0"), one.relay()]
    one.send_lines(stream[:1])
    wait_until(lambda: one.state(1).taken > 0, programs)
    return asyncio.run(_latencies(one, stream[1:]))


async def _latencies(one: Installation, stream: list[bytes]) -> list[float]:
    some, sent = messages(stream, one.layout), Sent()
    consumer = AIOKafkaConsumer(bootstrap_servers=one.servers.kafka.bootstrap, fetch_max_wait_ms=1_000)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(one.layout.name(BILLING_LINES), number) for number in range(PARTITIONS)])
        await consumer.seek_to_end()
        done = asyncio.Event()
        reading = asyncio.create_task(_read(consumer, sent, done))
        async with producer(one.servers.kafka.bootstrap) as made:
            warm = int(len(some) * WARM)
            await steadily(made, some[:warm], sent)
            sent.at.clear()
            await steadily(made, some[warm:], sent)
        done.set()
        return await reading
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, sent: Sent, done: asyncio.Event) -> list[float]:
    """Seconds of each first revision of a line, until all events were sent and nothing came for a while."""
    found, last = list[float](), perf_counter()
    while not done.is_set() or perf_counter() - last < QUIET:
        for rows in (await consumer.getmany(timeout_ms=500)).values():
            last = perf_counter()
            found += [last - at for row in rows if (at := _crossed(orjson.loads(row.value), sent)) is not None]
    return found


def _crossed(event: dict[str, Any], sent: Sent) -> float | None:
    """When the event was sent that the line waited for: the newest it rests on, whose recording time the message has.

    None of a line that was told before, and where that event is another patient's.
    """
    data = event["data"]
    if event["type"] != LINE_READY or data["revision"] != 1:
        return None
    return sent.at.get((data["tenant"], data["patient_id"], event["time"]))
