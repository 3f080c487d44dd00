"""Small batches decided in the transaction that takes them in: quicker, and otherwise nothing is different."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ledger import Ledger, Summary, open_ledger
from tests.generators import Dice
from tests.ledger.crowd import adjusted, crowd, fed, figures, write
from tests.ledger.test_attacks import RPM, Event, close, event, retraction, time
from tests.ledger.writers import at_once, writers


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    with open_ledger(store) as opened:
        yield opened


def put(ledger: Ledger, *events: Event) -> Summary:
    """Take events in, in one transaction, and decide them with it."""
    return Summary.of(ledger.take(ledger.read(("test", json.dumps(one).encode()) for one in events), at_once=True))


def ground() -> list[Event]:
    """A site, a physician, and two patients who agreed to RPM."""
    at = "2026-01-01T12:00:00Z"
    consents = [event(f"c{patient}", "consent.given", patient, at, **RPM, at=at, form="verbal") for patient in ("P1", "P2")]
    return [
        event("s1", "site.registered", "north", "2019-01-01T00:00:00Z", name="North", zone="America/Chicago", pos="11"),
        event("p1", "practitioner.registered", "dr-lee", "2019-01-01T00:00:00Z", role="physician"),
        *consents,
    ]


def test_a_line_is_there_when_its_event_is_taken(ledger: Ledger) -> None:
    """Given time that fills a threshold, when it is taken, then the line is ready and nothing is left to decide."""
    put(ledger, *ground())
    ledger.settle()
    put(ledger, time("t1", "02T16:00", "02T16:20"))
    assert [(line["patient_id"], line["status"]) for line in ledger.lines()] == [("P1", "ready")]
    assert not ledger.settle_some()


def test_what_an_event_does_to_another_patient_is_left_to_the_queue(ledger: Ledger) -> None:
    """Given a line, when the performer's time with another patient meets it, then both are told once the queue is drained."""
    put(ledger, *ground())
    ledger.settle()
    put(ledger, time("t1", "02T16:00", "02T16:20"))
    put(ledger, time("t2", "02T16:00", "02T16:20", "P2"))
    ledger.settle()
    assert [line["status"] for line in ledger.lines()] == []
    put(ledger, retraction("r1", "t2", "P2"))
    ledger.settle()
    assert [(line["patient_id"], line["status"]) for line in ledger.lines()] == [("P1", "ready")]
    assert ledger.verify() == []


def test_in_a_closed_month_only_what_arrived_is_the_cause(ledger: Ledger) -> None:
    put(ledger, *ground())
    put(ledger, time("t1", "02T16:00", "02T16:20"))
    put(ledger, close())
    put(ledger, time("t2", "02T16:00", "02T16:20", "P2"))
    put(ledger, time("t3", "03T16:00", "03T16:20", "P2"))
    ledger.settle()
    causes = {(row["patient_id"], tuple(row["cause"]["events"])) for row in ledger.adjustments()}
    assert causes == {("P1", ("/ehr|t2",)), ("P2", ("/ehr|t3",))}


def test_two_bookings_that_go_together_free_each_other(ledger: Ledger) -> None:
    """Given time of one performer with two patients and a third, when two of the three go in one batch, then the third's counts."""
    put(ledger, *ground())
    put(ledger, event("cP3", "consent.given", "P3", "2026-01-01T12:00:00Z", **RPM, at="2026-01-01T12:00:00Z", form="verbal"))
    for number, patient in (("t1", "P1"), ("t2", "P2"), ("t3", "P3")):
        put(ledger, time(number, "02T16:00", "02T16:20", patient))
    ledger.settle()
    assert ledger.lines() == []
    put(ledger, retraction("r1", "t1"), retraction("r2", "t2", "P2"))
    ledger.settle()
    assert [line["patient_id"] for line in ledger.lines()] == ["P3"]
    assert ledger.verify() == []


@pytest.mark.parametrize("seed", range(3))
def test_any_batches_lead_to_what_one_reader_decides_at_the_end(store: str, tmp_path: Path, seed: int) -> None:
    """Given histories with closes, replacements and double bookings in batches of any size, some decided at once and some not, then lines
    and adjustments are those of a ledger that took the file in, and all of it is what the events say."""
    events = crowd(range(seed * 10, seed * 10 + 10), closes=True)
    file = write(events, tmp_path / "events.jsonl")
    dice = Dice(seed).random
    with open_ledger(store) as mixed, open_ledger("sqlite://") as plain:
        fed(plain, file)
        rest: Sequence[bytes] = file.read_bytes().splitlines()
        while rest:
            size = dice.randint(1, 60)
            mixed.take(mixed.read(("feed", line) for line in rest[:size]), at_once=dice.random() < 0.8)
            rest = rest[size:]
            if dice.random() < 0.2:
                mixed.settle_some(5)
        mixed.settle()
        assert mixed.verify() == []
        assert {line["line_id"] for line in figures(mixed)} == {line["line_id"] for line in figures(plain)}
        assert totals(mixed) == totals(plain)


def totals(ledger: Ledger) -> dict[str, int]:
    """Units of each line with its adjustments: how they split depends on when a month was closed."""
    units = {line["line_id"]: int(line["units"]) for line in ledger.lines() if line["status"] in ("ready", "closed")}
    for line, (more, _) in adjusted(ledger).items():
        units[line] = units.get(line, 0) + more
    return {line: number for line, number in units.items() if number}


def test_two_writers_who_decide_at_once_lose_nothing(database_url: str, tmp_path: Path) -> None:
    """Given the patients of a crowd dealt out to two writers at the same time, then the ledger is what one reader makes of it."""
    events = crowd(range(200, 216))
    file = write(events, tmp_path / "events.jsonl")
    halves = [[one for one in events if (hash_of(one["subject"]) % 2) == part] for part in (0, 1)]

    def work(ledger: Ledger, mine: list[Event]) -> None:
        for low in range(0, len(mine), 7):
            put(ledger, *mine[low : low + 7])

    with writers(database_url) as ledgers, ThreadPoolExecutor(2) as pool, open_ledger("sqlite://") as plain:
        at_once(pool, [partial(work, *both) for both in zip(ledgers, halves, strict=True)])
        ledgers[0].settle()
        fed(plain, file)
        assert ledgers[0].verify() == []
        assert figures(ledgers[0]) == figures(plain)


def hash_of(subject: str) -> int:
    return sum(subject.encode())
