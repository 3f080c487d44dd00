"""The loop that fetches is watched from the end of a rebalance on: who only says that it is alive keeps its partitions from all others."""

import asyncio
from typing import Any

import faust
import pytest

from streams.faust_app import FETCHING, App, Fetched, build
from streams.settings import Broker, WorkerSettings
from streams.watchdog import Watchdog

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
