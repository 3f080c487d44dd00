"""Writers of one Postgres at the same instant: whatever the interleaving, the ledger is what one writer would have made of it."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest
from sqlalchemy import Connection

from ledger import Ledger, Summary, intake, open_ledger, registrations
from ledger.database import reading
from ledger.retry import transaction
from tests.ledger.crowd import adjusted, crowd, fed, figures, start, write
from tests.ledger.test_attacks import RPM, Event, close, event, retraction, time
from tests.ledger.writers import RACES, accepted, at_once, decided, taken, writers

PERFORMER = "dr-lee"


def site(number: str = "s1", name: str = "north") -> Event:
    return event(number, "site.registered", name, "2019-01-01T00:00:00Z", name="North", zone="America/Chicago", pos="11")


def ground(*patients: str) -> list[Event]:
    """A site, a physician, and patients who agreed to RPM."""
    at = "2026-01-01T12:00:00Z"
    return [
        site(),
        event("p1", "practitioner.registered", PERFORMER, "2019-01-01T00:00:00Z", role="physician"),
        *(event(f"c-{patient}", "consent.given", patient, at, **RPM, at=at, form="verbal") for patient in patients),
    ]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def ready(ledger: Ledger) -> set[str]:
    """Patients with a line that is ready."""
    return {line["patient_id"] for line in ledger.lines() if line["status"] == "ready"}


def test_overlapping_time_of_one_performer_counts_for_neither_patient(database_url: str, pool: ThreadPoolExecutor) -> None:
    """Two patients on two partitions, by two workers, at the same instant, each pair in a half-hour of its own: up to 1,100 races."""
    pairs = [(f"A{n}", f"B{n}") for n in range(RACES)]
    with writers(database_url) as (one, other):
        accepted(one, *ground("alone", *(patient for pair in pairs for patient in pair)))
        accepted(one, time("alone", "01T16:00", "01T16:20", "alone"))
        for n, (a, b) in enumerate(pairs):
            hour = f"{2 + n // 40:02d}T{n % 40 // 2:02d}"
            half = 30 * (n % 2)
            entries = [time(a, f"{hour}:{half:02d}", f"{hour}:{half + 20}", a), time(b, f"{hour}:{half + 5:02d}", f"{hour}:{half + 25}", b)]
            works = list(zip((one, other), entries, strict=True))
            at_once(pool, [partial(accepted, *work) for work in works])
        one.settle()
        assert ready(one) == {"alone"}
        assert one.verify() == []


def test_a_pair_at_a_time_is_decided_by_whoever_comes(database_url: str, pool: ThreadPoolExecutor) -> None:
    """Performers of their own, and both writers decide at once: once drained neither patient's time counts."""
    with writers(database_url) as (one, other):
        accepted(one, *ground(*(f"{side}{n}" for n in range(RACES // 10) for side in "AB")))
        for n in range(RACES // 10):
            entries = [time(f"{side}{n}", "02T16:00", "02T16:20", f"{side}{n}", performer_id=f"nurse-{n}") for side in "AB"]
            staff = event(f"r{n}", "practitioner.registered", f"nurse-{n}", "2019-01-01T00:00:00Z", role="rn")
            works = [(one, [staff, entries[0]]), (other, [entries[1]])]
            at_once(pool, [partial(decided, ledger, *events) for ledger, events in works])
        one.settle()
        assert ready(one) == set()
        conflicts = [alert["patient_id"] for alert in one.alerts() if alert["kind"] == "time_conflict"]
        assert sorted(conflicts) == sorted(f"{side}{n}" for n in range(RACES // 10) for side in "AB")
        assert one.verify() == []


def test_a_registration_misses_no_time_that_comes_meanwhile(database_url: str, pool: ThreadPoolExecutor) -> None:
    patients = [f"P{n}" for n in range(RACES // 5)]
    with writers(database_url) as (one, other):
        accepted(one, *ground(*patients))
        for n, patient in enumerate(patients):
            entry = time(f"t{n}", "02T16:00", "02T16:20", patient, site_id=f"site-{n}", performer_id=f"dr-{n}")
            doctor = event(f"d{n}", "practitioner.registered", f"dr-{n}", "2019-01-01T00:00:00Z", role="physician")
            works = [(one, [entry]), (other, [site(f"s-{n}", f"site-{n}"), doctor])]
            at_once(pool, [partial(decided, ledger, *events) for ledger, events in works])
        one.settle()
        assert ready(one) == set(patients)
        assert one.verify() == []


def test_a_close_misses_no_time_that_comes_meanwhile(database_url: str, pool: ThreadPoolExecutor) -> None:
    """Before the close or after it: closed units and adjustments come to the same, and nothing stays open."""
    patients = [f"P{n}" for n in range(RACES // 10)]
    with writers(database_url) as (one, other):
        accepted(one, *ground(*patients))
        for n, patient in enumerate(patients):
            accepted(one, time(f"t{n}", f"02T{n % 24:02d}:00", f"02T{n % 24:02d}:20", patient, performer_id=f"dr-{n}"))
            accepted(one, event(f"d{n}", "practitioner.registered", f"dr-{n}", "2019-01-01T00:00:00Z", role="physician"))
            more = time(f"u{n}", f"03T{n % 24:02d}:00", f"03T{n % 24:02d}:20", patient, performer_id=f"dr-{n}")
            works = [(one, more), (other, close(f"close-{n}", site_id="north"))]
            at_once(pool, [partial(decided, *work) for work in works])
        one.settle()
        sums = {line["line_id"]: line["units"] for line in one.lines() if line["status"] == "closed"}
        for line, (units, _) in adjusted(one).items():
            sums[line] = sums.get(line, 0) + units
        assert sum(sums.values()) == 2 * len(patients)
        assert {line["status"] for line in one.lines()} == {"closed"}
        assert one.verify() == []


def test_a_close_has_its_tenant_to_itself(database_url: str, pool: ThreadPoolExecutor) -> None:
    """Time of another patient that comes while a close is being taken in waits for it: it is an adjustment that names its cause."""
    with writers(database_url) as (one, other):
        decided(one, *ground("P1", "P2"), time("t1", "02T16:00", "02T16:20"))
        closes = other.read([("race", json.dumps(close()).encode())])

        def closing(connection: Connection) -> "Future[None]":
            intake.take(connection, other.rules, closes)
            late = pool.submit(decided, one, time("t2", "03T16:00", "03T16:20", "P2"))
            wait([late], timeout=0.5)
            assert not late.done()
            return late

        transaction(other.engine, closing).result()
        assert [row["cause"]["events"] for row in one.adjustments()] == [["/ehr|t2"]]
        assert one.verify() == []


def test_registrations_at_once_are_all_told_apart(database_url: str, pool: ThreadPoolExecutor) -> None:
    """Who keeps a tenant's registrations at hand knows them by a version: two at once make two versions."""
    with writers(database_url) as (one, other):
        for n in range(RACES // 10):
            at_once(pool, [partial(accepted, one, site(f"a{n}", f"a-{n}")), partial(accepted, other, site(f"b{n}", f"b-{n}"))])
        with reading(one.engine) as connection:
            assert registrations.version_of(connection, "acme") == 2 * (RACES // 10)


def test_one_content_of_an_identity_holds_and_the_other_is_told_so(database_url: str, pool: ThreadPoolExecutor) -> None:
    with writers(database_url) as (one, other):
        accepted(one, *ground("P1", "P2"))
        for n in range(RACES // 3):
            works = [(one, time(f"t{n}", "02T16:00", "02T16:01", "P1")), (other, time(f"t{n}", "02T16:00", "02T16:02", "P2"))]
            fates = at_once(pool, [partial(taken, *work) for work in works])
            assert sorted(Summary.of(fate) for fate in fates) == [(0, 0, 1), (1, 0, 0)]
        one.settle()
        assert {letter["reason"] for letter in one.dead_letters()} == {"id_reused"}
        assert one.verify() == []


def test_the_same_event_twice_is_one_event(database_url: str, pool: ThreadPoolExecutor) -> None:
    with writers(database_url) as (one, other):
        accepted(one, *ground("P1"))
        for n in range(RACES // 3):
            entry = time(f"t{n}", "02T16:00", "02T16:01", "P1")
            fates = at_once(pool, [partial(taken, ledger, entry) for ledger in (one, other)])
            assert sorted(Summary.of(fate) for fate in fates) == [(0, 1, 0), (1, 0, 0)]
        one.settle()
        assert one.verify() == []


def test_a_retraction_finds_what_comes_at_the_same_instant(database_url: str, pool: ThreadPoolExecutor) -> None:
    """The retraction names another patient, so that no lock but the last brings the two together; targets are found by identity alone."""
    patients = [f"P{n}" for n in range(RACES // 3)]
    with writers(database_url) as (one, other):
        accepted(one, *ground(*patients, "someone"))
        for n, patient in enumerate(patients):
            hour = f"{2 + n // 24:02d}T{n % 24:02d}"
            works = [(one, time(f"t{n}", f"{hour}:00", f"{hour}:20", patient)), (other, retraction(f"r{n}", f"t{n}", "someone"))]
            at_once(pool, [partial(accepted, *work) for work in works])
        one.settle()
        assert ready(one) == set()
        assert one.verify() == []


def test_a_reader_of_the_outbox_sees_every_number_once_and_in_order(database_url: str, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """While two write and decide, each number that is seen is one more than the last: none is missing, none comes late."""
    done = Signal()
    events = crowd(range(12))

    def write_half(ledger: Ledger, half: int) -> None:
        lines = [json.dumps(event).encode() for event in events[half::2]]
        for first in range(0, len(lines), 7):
            ledger.ingest([("outbox", line) for line in lines[first : first + 7]])

    def read_on(ledger: Ledger) -> tuple[int, int]:
        last = polls = 0
        while True:
            finished, polls = done.is_set(), polls + 1
            for row in ledger.events(last):
                assert row["sequence"] == last + 1
                last = row["sequence"]
            if finished:
                return last, polls

    with writers(database_url, 3) as (one, other, reader):
        reading = pool.submit(read_on, reader)
        try:
            at_once(pool, [lambda: write_half(one, 0), lambda: write_half(other, 1)])
        finally:
            done.set()
        last, polls = reading.result()
        assert polls > 10
        assert last == len(list(one.events())) > 100
        with open_ledger("sqlite://") as alone:
            fed(alone, write(events, tmp_path / "all.jsonl"))
            assert figures(one) == figures(alone)


def test_four_processes_with_overlapping_streams_are_as_one(database_url: str, tmp_path: Path) -> None:
    """Each event comes by two of the four; nothing is lost, nothing counted twice."""
    events = crowd(range(30))
    quarters = [events[part::4] for part in range(4)]
    files = [write([*quarters[part], *reversed(quarters[part - 1])], tmp_path / f"part-{part}.jsonl") for part in range(4)]
    processes = [start(database_url, file, 15) for file in files]
    answers = [process.communicate() for process in processes]
    assert [(process.returncode, complaint) for process, (_, complaint) in zip(processes, answers, strict=True)] == [(0, "")] * 4
    summaries: list[Any] = [json.loads(told.splitlines()[-1].removeprefix("done ")) for told, _ in answers]
    assert sum(new for new, _, _ in summaries) == len({(one["source"], one["id"]) for one in events})
    with open_ledger(database_url) as shared, open_ledger("sqlite://") as alone:
        fed(alone, write(events, tmp_path / "all.jsonl"))
        assert shared.verify() == []
        assert figures(shared) == figures(alone)
