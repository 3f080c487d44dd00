"""How far streams were read, kept with what was read: a stale reader writes nothing, on either store."""

import json
from time import monotonic, sleep

import pytest
from sqlalchemy import Connection

from ledger import Claim, FencedError, Ledger, Summary, open_ledger, positions
from ledger.arrivals import Arrival, Parked
from ledger.retry import transaction
from tests.ledger.test_attacks import close, time
from tests.ledger.test_races import ground

EVENTS = ("care.events", 0)
OTHERS = ("care.events", 3)


def claim(*moves: tuple[tuple[str, int], int, int], writer: str = "worker-1") -> Claim:
    return Claim({partition: (expected, after) for partition, expected, after in moves}, writer)


def inputs(ledger: Ledger, *events: object) -> list[Arrival | Parked]:
    return ledger.read(("care.events[0]@0", json.dumps(event).encode()) for event in events)


def test_positions_move_with_the_batch(store: str) -> None:
    with open_ledger(store) as ledger:
        assert ledger.positions(["care.events"]) == {}
        fates = ledger.take(inputs(ledger, *ground("P1")), claim((EVENTS, 0, 3)))
        assert Summary.of(fates) == (3, 0, 0)
        ledger.take([], claim((EVENTS, 3, 5), (OTHERS, 0, 7)))
        assert ledger.positions(["care.events"]) == {EVENTS: 5, OTHERS: 7}
        assert ledger.positions(["care.sites"]) == {}


def test_a_stale_claim_writes_nothing(store: str) -> None:
    with open_ledger(store) as ledger, open_ledger(store) as stale:
        ledger.take(inputs(ledger, *ground("P1")), claim((EVENTS, 0, 3)))
        with pytest.raises(FencedError, match=r"care.events\[0\] is at 3") as fenced:
            stale.take(
                inputs(stale, time("t1", "02T16:00", "02T16:20"), {"bad": 1}), claim((EVENTS, 0, 2), (OTHERS, 0, 9), writer="worker-2")
            )
        assert fenced.value.found == {EVENTS: 3, OTHERS: 0}
        assert ledger.positions(["care.events"]).get(OTHERS, 0) == 0
        assert (stale.dead_letters(), stale.settle_some(), len(stale.lines())) == ([], True, 0)
        assert Summary.of(stale.take(inputs(stale, time("t1", "02T16:00", "02T16:20")), claim((EVENTS, 3, 4), writer="worker-2"))) == (
            1,
            0,
            0,
        )


def test_a_batch_with_closes_is_one_step(store: str) -> None:
    """What comes before a close is decided before it binds, what comes after is an adjustment; the position moves once."""
    with open_ledger(store) as ledger:
        batch = [*ground("P1"), time("t1", "02T16:00", "02T16:20"), close(), time("t2", "03T16:00", "03T16:40")]
        ledger.take(inputs(ledger, *batch), claim((EVENTS, 0, len(batch))))
        ledger.settle()
        assert {(line["code"], line["status"], line["units"]) for line in ledger.lines()} >= {("99457", "closed", 1)}
        assert [row["units_delta"] for row in ledger.adjustments()] == [2]
        assert ledger.positions(["care.events"]) == {EVENTS: len(batch)}
        assert ledger.verify() == []


def test_a_writer_frozen_in_its_transaction_is_rid_of_its_locks_and_fenced(database_url: str) -> None:
    """It holds the position and falls asleep: the other goes on within seconds, and it finds itself overtaken when it wakes."""
    with open_ledger(database_url) as ledger, open_ledger(database_url) as frozen:
        assert ledger.rulebook
        began: list[float] = []

        def sleepy(connection: Connection) -> None:
            positions.move(connection, claim((EVENTS, 0, 1), writer="frozen"))
            if not began:
                began.append(monotonic())
                ledger_takes_over()
                sleep(0.1)

        def ledger_takes_over() -> None:
            ledger.take(inputs(ledger, *ground("P1")), claim((EVENTS, 0, 3)))

        with pytest.raises(FencedError):
            transaction(frozen.engine, sleepy)
        assert monotonic() - began[0] < 15
        assert ledger.positions(["care.events"]) == {EVENTS: 3}
