"""A view is the same whatever batches it was read in, how often it was told, and when it was killed."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, select

from ledger import Ledger, LedgerError, open_ledger
from ledger.database import connect, reading, writing
from ledger.outbox import sent
from projections.board import BOARD, Board, board_rows
from projections.export import EXPORT, export_csv
from projections.projection import Projection, create, deliver, positions, recorded, up_to_date
from projections.run import PROJECTIONS, catch_up, rebuild
from tests.generators import random_history
from tests.projections.story import Clinic, Event, contents, inputs

KILLS = 20
SEEDS = (1, 3, 5, 7, 11, 18, 30, 38)
"""Histories in which lines are closed and adjusted."""


def told(url: str = "sqlite://", seeds: Iterable[int] = SEEDS) -> Ledger:
    """A ledger of generated histories, a tenant each, with closes in their midst."""
    ledger = open_ledger(url)
    for seed in seeds:
        ledger.ingest(inputs(_moved(event, f"t{seed}-{event['tenant']}") for event in random_history(seed, closes=True)))
    assert ledger.dead_letters() == []
    return ledger


def _moved(event: Event, tenant: str) -> Event:
    """The event in another tenant, which is the subject of its closes."""
    closes = event["type"] == "care.month.closed.v1"
    return {**event, "tenant": tenant, "subject": tenant if closes else event["subject"]}


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return told()


@pytest.fixture(scope="module")
def built(ledger: Ledger) -> dict[str, list[Any]]:
    rebuild(ledger.engine)
    return contents(ledger.engine)


def test_the_views_hold_something(built: dict[str, list[Any]], ledger: Ledger) -> None:
    assert len(built["board_months"]) > 10
    kinds = {b'"record":"line"', b'"record":"adjustment"'}
    assert {kind for kind in kinds for row in built["export_records"] if kind in row[-1]} == kinds
    assert {row[2] for row in built["projections"]} == {len(list(ledger.events()))}


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400))
def test_any_batch_gives_the_rows_of_a_rebuild(ledger: Ledger, built: dict[str, list[Any]], batch: int) -> None:
    rebuild(ledger.engine, batch=batch)
    assert contents(ledger.engine) == built


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_repeats_change_nothing(ledger: Ledger, built: dict[str, list[Any]], data: st.DataObject) -> None:
    events = list(ledger.events())
    with writing(ledger.engine) as connection:
        for projection in PROJECTIONS:
            wanted = [event for event in events if event["type"] in projection.types]
            create(connection, projection)
            while (position := _position(connection, projection)) < wanted[-1]["sequence"]:
                new = next(i for i, event in enumerate(wanted) if event["sequence"] > position)
                first, last = sorted((data.draw(st.integers(0, new)), data.draw(st.integers(0, new))))
                deliver(connection, projection, wanted[first:last])
                assert _position(connection, projection) == position
                deliver(connection, projection, [*wanted[first : new + data.draw(st.integers(1, 200))], *wanted[first:last]])
            deliver(connection, projection, wanted[: data.draw(st.integers(0, len(wanted)))])
    assert catch_up(ledger.engine) == 0
    assert contents(ledger.engine) == built


def _position(connection: Connection, projection: Projection) -> int:
    known = recorded(connection, projection)
    assert known is not None
    return known.position


def test_catching_up_twice_reads_nothing_the_second_time() -> None:
    with told(seeds=[7]) as ledger:
        assert catch_up(ledger.engine, batch=7) > 0
        assert catch_up(ledger.engine) == 0


def test_incremental_equals_rebuild(store: str) -> None:
    with open_ledger(store) as ledger:
        history = random_history(38, closes=True)
        for first in range(0, len(history), 5):
            ledger.ingest(inputs(history[first : first + 5]))
            catch_up(ledger.engine)
        before = contents(ledger.engine)
        rebuild(ledger.engine)
        assert contents(ledger.engine) == before
        with open_ledger("sqlite://") as other:
            for first in range(0, len(history), 5):
                other.ingest(inputs(history[first : first + 5]))
            catch_up(other.engine)
            assert contents(other.engine) == before
            assert board_rows(other.engine, "acme", "2026-03") == board_rows(ledger.engine, "acme", "2026-03")
            assert list(export_csv(other.engine, "acme", "2026-03")) == list(export_csv(ledger.engine, "acme", "2026-03"))


def test_another_version_is_a_rebuild_with_its_own_tables() -> None:
    class Newer(Board):
        version = Board.version + 1  # type: ignore[misc]
        tables = (*Board.tables, Table("board_notes", MetaData(), Column("key", Text, primary_key=True)))  # type: ignore[assignment,misc]

    with told(seeds=[5, 7]) as ledger:
        catch_up(ledger.engine)
        before = contents(ledger.engine)["board_months"]
        with writing(ledger.engine) as connection:
            connection.execute(Board.tables[0].delete())
        assert catch_up(ledger.engine, projections=[Newer()]) > 0
        assert contents(ledger.engine)["board_months"] == before
        assert inspect(ledger.engine).has_table("board_notes")
        with pytest.raises(LedgerError, match="bring it up to date"):
            board_rows(ledger.engine, "t7-acme", "2026-01")
        assert catch_up(ledger.engine, projections=[BOARD]) > 0
        assert contents(ledger.engine)["board_months"] == before
        assert not inspect(ledger.engine).has_table("board_notes")


def test_a_view_that_was_never_made_says_so() -> None:
    with open_ledger("sqlite://") as ledger:
        with pytest.raises(LedgerError, match="'board' has not been made"):
            board_rows(ledger.engine, "acme", "2026-01")
        with pytest.raises(LedgerError, match="'export' has not been made"):
            list(export_csv(ledger.engine, "acme", "2026-01"))


def test_a_batch_that_fails_leaves_the_view_where_it_was() -> None:
    class Failing(Board):
        def handle(self, connection: Any, events: Any) -> None:
            super().handle(connection, events)
            raise RuntimeError

    with told(seeds=[7]) as ledger:
        rebuild(ledger.engine)
        before = contents(ledger.engine)
        ledger.ingest(inputs(_a_month()))
        with pytest.raises(RuntimeError):
            catch_up(ledger.engine, projections=[Failing()])
        assert contents(ledger.engine) == before


def _a_month() -> list[dict[str, Any]]:
    clinic = Clinic()
    clinic.admit("P1", "2026-03-02T15:00:00Z")
    clinic.log("P1", "2026-03-03T15:00:00Z", 31)
    return clinic.events


def test_killed_at_any_moment_it_goes_on_to_the_rows_of_a_rebuild(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with told(url, range(40)) as ledger:
        rebuild(ledger.engine)
        built = contents(ledger.engine)
    dice, unfinished = Random(5), 0
    for kill in range(KILLS):
        child = _working_child(url, anew=kill % 5 == 0)
        if kill % 5 == 0:
            _await_beginning(url, child)
        sleep(dice.uniform(0.01, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        unfinished += _check_whole_batches(url)
    assert unfinished > 0
    with open_ledger(url) as ledger:
        catch_up(ledger.engine)
        assert contents(ledger.engine) == built


def _working_child(url: str, *, anew: bool) -> int:
    """A process of its own that reads one event a transaction, the first of them from the beginning."""
    child = os.fork()
    if child == 0:
        try:
            engine = connect(url)
            if anew:
                rebuild(engine, batch=1)
            catch_up(engine, batch=1)
        finally:
            os._exit(0)
    return child


def _await_beginning(url: str, child: int) -> None:
    """Until the child has emptied the views: on a busy machine it is not so far when the next kill is due."""
    engine = connect(url)
    while up_to_date(engine, BOARD) and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        sleep(0.001)
    engine.dispose()


def _check_whole_batches(url: str) -> bool:
    """Whether a view is behind; its rows are those of exactly the events up to its position."""
    engine = connect(url)
    with reading(engine) as connection:
        found = dict(connection.execute(select(positions.c.name, positions.c.position)).all())
        told = [event for event in sent(connection, 0, EXPORT.types) if event["sequence"] <= found["export"]]
        rows = connection.execute(select(EXPORT.tables[0].c.id)).all()
        assert len(rows) == sum(len(event["data"].get("lines", [None])) for event in told)
        behind = bool(min(found.values()) < max(event["sequence"] for event in sent(connection, 0)))
    engine.dispose()
    return behind
