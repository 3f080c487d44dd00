"""Intake over HTTP: the sample stream in requests of 100 events, each answered when it is durable, to a server in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import httpx

from tests.bench.figures import Figure, at_least, figure
from tests.bench.workbench import Workbench
from tests.http.running import Server, serving

TOGETHER: Final = 100
CALLERS: Final = 4
MOST: Final = 20_000
"""Events sent in one run: the figure is of a rate, and a longer run says no more."""


def figures(bench: Workbench) -> Iterator[Figure]:
    """Events a second of several callers at once and of one that waits for each answer, and both until all is decided."""
    requests, events = _requests(bench.stream()[0])
    facts: dict[str, Any] = {"events": events, "events_a_request": TOGETHER, "synchronous": "full"}
    for name, callers, target in (("http", CALLERS, at_least(2_000)), ("http_one_caller", 1, None)):
        runs = [_run(bench, requests, events, callers) for _ in range(bench.sizes.runs)]
        yield figure(name, "events/s", [events / taken for taken, _ in runs], target, callers=callers, **facts)
        yield figure(f"{name}_decided", "events/s", [events / decided for _, decided in runs], callers=callers, **facts)


def _requests(stream: Path) -> tuple[list[bytes], int]:
    lines = stream.read_bytes().splitlines()[:MOST]
    return [b"[" + b",".join(lines[low : low + TOGETHER]) + b"]" for low in range(0, len(lines), TOGETHER)], len(lines)


def _run(bench: Workbench, requests: list[bytes], events: int, callers: int) -> tuple[float, float]:
    """Seconds until the last answer, and until a read shows all of it decided."""
    with TemporaryDirectory(dir=bench.folder) as folder, serving(Path(folder)) as server:
        seconds = asyncio.run(_send(server, requests, events, callers))
        _check(server, events)
    return seconds


async def _send(server: Server, requests: list[bytes], events: int, callers: int) -> tuple[float, float]:
    waiting, results = iter(requests), 0
    async with httpx.AsyncClient(base_url=server.client.base_url, timeout=120) as client:

        async def call() -> None:
            nonlocal results
            for request in waiting:
                answered = await client.post("/v1/events", content=request, headers={"Content-Type": "application/json"})
                results += len(answered.raise_for_status().json()["results"])

        start = perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        taken = perf_counter() - start
        while "caremonth-undecided" in (await client.get("/v1/alerts", params={"limit": 1})).headers:
            continue
        decided = perf_counter() - start
    if results != events:
        raise RuntimeError(f"of {events} events {results} were answered: the figures would say nothing")
    return taken, decided


def _check(server: Server, events: int) -> None:
    figures = server.client.get("/metrics").text
    told = [float(line.rpartition(" ")[2]) for line in figures.splitlines() if line.startswith("caremonth_events_total")]
    if sum(told) != events:
        raise RuntimeError(f"of {events} events the server counted {sum(told)}: the figures would say nothing")
