"""When a worker decides: by the number of events while it catches up, at once when it has, and never for ever later."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ledger import Ledger, LedgerError, draining, open_ledger
from ledger.retry import look
from streams.deciding import Deciding
from streams.hands import Hand
from streams.metrics import Metrics
from streams.settings import Broker, WorkerSettings
from streams.watchdog import Watchdog
from tests.http.care import entry, patient, registry
from tests.ledger.writers import Event

ENOUGH = 10


@asynccontextmanager
async def deciding(path: Path | str, within: float = 3600.0) -> AsyncIterator[tuple[Ledger, Deciding]]:
    """A ledger with sites, people and a patient on file, and whoever decides beside it."""
    settings = WorkerSettings(Broker("h:1"), settle_after=ENOUGH, settle_within=within)
    with open_ledger(path if isinstance(path, str) else f"sqlite:///{path}/ledger.db") as ledger:
        take(ledger, *registry(), *patient())
        ledger.settle()
        one = Deciding(settings, ledger.beside(), Metrics(), Watchdog(60))
        running = asyncio.create_task(one.run())
        try:
            yield ledger, one
        finally:
            running.cancel()
            await one.stop()


def take(ledger: Ledger, *events: Event) -> int:
    ledger.take(ledger.read(("test", json.dumps(event).encode()) for event in events))
    return len(events)


def call(number: int) -> Event:
    return entry(f"call-{number}", "P-1", f"2026-03-1{number}T08:00:00-06:00", f"2026-03-1{number}T08:01:00-06:00")


async def decided(ledger: Ledger, looks: int = 1_000) -> bool:
    """Whether nothing is due before long."""
    for _ in range(looks):
        if not look(ledger.engine, draining.waits):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_backlog_is_decided_when_enough_was_taken(tmp_path: Path) -> None:
    async with deciding(tmp_path) as (ledger, one):
        take(ledger, call(1))
        one.took(ENOUGH - 1, caught_up=False)
        assert not await decided(ledger, looks=10)
        one.took(1, caught_up=False)
        assert await decided(ledger)


async def test_what_was_taken_last_is_decided_when_no_more_waits(tmp_path: Path) -> None:
    async with deciding(tmp_path) as (ledger, one):
        one.took(take(ledger, call(1)), caught_up=True)
        assert await decided(ledger)


async def test_nothing_waits_for_ever_in_a_backlog(tmp_path: Path) -> None:
    async with deciding(tmp_path, within=0.0) as (ledger, one):
        one.took(take(ledger, call(1)), caught_up=False)
        assert await decided(ledger)


@pytest.mark.parametrize("hands", [1, 2])
async def test_a_large_backlog_is_decided_by_as_many_as_the_database_takes(
    hands: int, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more than a round's worth, then on Postgres two hands decide it, on SQLite one, and all that was due is decided."""
    monkeypatch.setattr("streams.deciding.SPLIT", 2)
    async with deciding(request.getfixturevalue("database_url") if hands == 2 else tmp_path) as (ledger, one):
        busy = set[str]()
        monkeypatch.setattr(one.watchdog, "busy", busy.add)
        number = take(ledger, *patient("P-2"), call(1), entry("call-9", "P-2", "2026-03-19T08:00:00-06:00", "2026-03-19T08:01:00-06:00"))
        one.took(number, caught_up=True)
        assert await decided(ledger)
        assert busy == {f"deciding-{hand}" for hand in range(hands)}
        assert ledger.verify() == []


async def test_a_half_that_fails_ends_the_other(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.deciding.SPLIT", 2)
    async with deciding(database_url) as (ledger, one):
        number = take(ledger, *patient("P-2"), call(1))
        ended = list[str]()

        async def through(hand: Hand[Ledger], _: object) -> bool:
            if hand is one.hands[0]:
                raise LedgerError("the database is gone")
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(hand.part)
            return True

        monkeypatch.setattr(one, "_through", through)
        with pytest.raises(LedgerError, match="gone"):
            await one._round(number)
        await asyncio.sleep(0)
        assert ended == ["deciding-1"]


async def test_what_others_left_due_is_found_by_whoever_has_nothing_to_take(tmp_path: Path) -> None:
    async with deciding(tmp_path) as (ledger, one):
        take(ledger, call(1))
        one.took(0, caught_up=True)
        assert await decided(ledger)


async def test_taking_waits_while_far_more_was_taken_than_decided(tmp_path: Path) -> None:
    async with deciding(tmp_path) as (ledger, one):
        take(ledger, call(1))
        one.took(2 * ENOUGH, caught_up=False)
        waiting = asyncio.create_task(one.room())
        assert await decided(ledger)
        await asyncio.wait_for(waiting, 60)
        assert one.undecided == 0


@pytest.mark.parametrize("records", [0, 1])
async def test_there_is_room_where_little_was_taken(tmp_path: Path, records: int) -> None:
    async with deciding(tmp_path) as (_, one):
        one.took(records, caught_up=False)
        await asyncio.wait_for(one.room(), 60)
