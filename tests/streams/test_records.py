"""Records, gaps, and taking them in: whatever a broker hands over, each record is taken once and positions never go back."""

import json
from collections.abc import Callable
from itertools import pairwise
from threading import Event as Signal

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Claim, FencedError, open_ledger
from streams.intake import GapsError, Intake
from streams.records import Gap, Place, Record, by_place, gaps, unread
from streams.rereading import reread_when_there
from streams.settings import Broker
from streams.watchdog import Watchdog
from tests.http.care import entry

PLACES = [Place("care.time-log", number) for number in range(2)]
LAST = 12


def record(place: Place, offset: int) -> Record:
    """The record that stands there, always the same."""
    number = place.partition * LAST + offset
    call = entry(f"e-{number}", "P-1", f"2026-03-02T10:{number:02}:00Z", f"2026-03-02T10:{number:02}:30Z")
    return Record(place, offset, b"acme/P-1", json.dumps(call).encode(), (), 0)


DELIVERIES = st.lists(st.lists(st.builds(record, st.sampled_from(PLACES), st.integers(0, LAST - 1)), max_size=8), max_size=8)
"""Batches with repeats, gaps and any order."""


def test_a_record_says_where_it_stands() -> None:
    assert record(PLACES[1], 7).origin == "kafka:care.time-log/1/7"


@given(DELIVERIES)
def test_by_place_has_each_record_once_in_order(batches: list[list[Record]]) -> None:
    """Given any delivery, then each partition's records are in order of offset, each once, and none is missing."""
    records = [one for batch in batches for one in batch]
    found = by_place(records)
    assert {(place, one.offset) for place, rows in found.items() for one in rows} == {(one.place, one.offset) for one in records}
    assert all([one.offset for one in rows] == sorted({one.offset for one in rows}) for rows in found.values())


@given(DELIVERIES, st.integers(0, LAST))
def test_what_is_unread_and_its_gaps_reach_from_the_position_to_the_last_record(batches: list[list[Record]], position: int) -> None:
    """Given a position, then what is unread and the gaps together are every offset from it to the last record, each once."""
    positions = dict.fromkeys(PLACES, position)
    fresh = unread([one for batch in batches for one in batch], positions)
    found = gaps(fresh, positions)
    for place, rows in fresh.items():
        offsets = [one.offset for one in rows] + [offset for gap in found if gap.place == place for offset in range(gap.first, gap.after)]
        assert sorted(offsets) == list(range(position, rows[-1].offset + 1))


@settings(deadline=None, max_examples=50)
@given(DELIVERIES, st.sets(st.integers(0, LAST - 1)))
def test_any_delivery_is_taken_once(batches: list[list[Record]], markers: set[int]) -> None:
    """Given batches with repeats and gaps, some offsets being markers, when gaps are read again as the worker does, then each record that
    stands before a position was taken once and positions never go back."""
    told: list[Claim] = []
    with open_ledger("sqlite://") as ledger:
        intake, taken = Intake(ledger, "test"), 0
        for batch in batches:
            kept = [one for one in batch if one.offset not in markers]
            try:
                taken += intake.take(intake.read(kept)).accepted
            except GapsError as passed:
                again = [record(gap.place, at) for gap in passed.gaps for at in range(gap.first, gap.after) if at not in markers]
                taken += intake.take(intake.read([*kept, *again]), complete=True).accepted
            told.append(Claim({(at.topic, at.partition): (0, to) for at, to in intake.positions.items()}, ""))
        stored = ledger.positions([PLACES[0].topic])
        assert taken == sum(1 for (_, _), end in stored.items() for at in range(end) if at not in markers)
        assert all(stored[key] == to for key, (_, to) in (told[-1].moves.items() if told else ()) if key in stored)
    for before, after in pairwise(told):
        assert all(after.moves[key][1] >= to for key, (_, to) in before.moves.items())


def test_a_reader_that_is_behind_is_fenced_and_goes_on_from_where_the_ledger_is() -> None:
    """Given two readers of a partition, when the slower one takes what the other took, then nothing is written and it asks anew."""
    place = PLACES[0]
    with open_ledger("sqlite://") as ledger:
        fast, slow = Intake(ledger, "fast"), Intake(ledger, "slow")
        with pytest.raises(GapsError) as passed:
            slow.take(slow.read([record(place, 1)]))
        assert passed.value.gaps == [Gap(place, 0, 1)]
        assert fast.take(fast.read([record(place, at) for at in range(3)])).accepted == 3
        with pytest.raises(FencedError):
            slow.take(slow.read([record(place, at) for at in range(2)]))
        assert slow.take(slow.read([record(place, at) for at in range(2)])).accepted == 0
        assert slow.take(slow.read([record(place, at) for at in range(5)])).accepted == 2
        assert ledger.positions([place.topic]) == {(place.topic, place.partition): 5}


def test_a_partition_that_is_anothers_is_asked_for_anew() -> None:
    """Given a partition that was given up and read by another, when it comes back, then it goes on from the ledger's position."""
    place = PLACES[0]
    with open_ledger("sqlite://") as ledger:
        mine, other = Intake(ledger, "mine"), Intake(ledger, "other")
        mine.take(mine.read([record(place, 0)]))
        mine.forget([place, PLACES[1]])
        other.take(other.read([record(place, 1)]))
        assert mine.take(mine.read([record(place, 2)])).accepted == 1


@pytest.mark.parametrize(
    ("work", "late"),
    [
        (lambda _: None, False),
        (lambda dog: dog.busy("work"), True),
        (lambda dog: (dog.busy("work"), dog.idle("work")), False),
        (lambda dog: (dog.idle("work"), dog.busy("work")), True),
        (lambda dog: (dog.busy("work"), dog.busy("other"), dog.idle("other")), True),
        (lambda dog: dog.turning("work"), True),
        (lambda dog: (dog.turning("work"), dog.idle("work")), False),
    ],
    ids=["not begun", "busy", "idle", "busy again", "one of two", "a loop", "a loop that need not come round"],
)
def test_only_work_without_progress_is_late(work: Callable[[Watchdog], object], late: bool) -> None:
    """Given a limit of no time at all, then whoever is at work is late at once, and whoever waits for work never is."""
    dog = Watchdog(0.0)
    work(dog)
    assert dog.late(float("inf")) == (["work"] if late else [])


def test_a_worker_that_hangs_is_ended() -> None:
    ended = Signal()
    dog = Watchdog(0.01, ended.set)
    dog.busy("work")
    dog.start()
    assert ended.wait(60)


def test_a_watchdog_that_was_stopped_ends_nobody() -> None:
    ended = Signal()
    dog = Watchdog(0.01, ended.set)
    dog.stop()
    dog.busy("work")
    dog.start()
    dog._thread.join(60)
    assert not ended.is_set()


@pytest.mark.parametrize(
    ("broker", "protocol"),
    [
        (Broker("h:1"), "PLAINTEXT"),
        (Broker("h:1", tls=True), "SSL"),
        (Broker("h:1", username="u", password="p"), "SASL_PLAINTEXT"),
        (Broker("h:1", tls=True, username="u", password="p"), "SASL_SSL"),
    ],
)
def test_how_to_speak_to_a_broker(broker: Broker, protocol: str) -> None:
    options = broker.options()
    assert (options["bootstrap_servers"], options["security_protocol"]) == ("h:1", protocol)
    assert ("ssl_context" in options) is broker.tls
    assert options.get("sasl_plain_username") == broker.username
    assert options.get("sasl_mechanism") == ("SCRAM-SHA-512" if broker.username else None)


async def test_a_broker_that_is_away_is_waited_for_before_a_gap_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a gap, when the broker is away twice and then there, then the gap's records come, and the watchdog was told each time."""
    gap, waited = Gap(PLACES[0], 1, 2), list[int]()
    answers: list[Exception | list[Record]] = [KafkaConnectionError(), KafkaConnectionError(), [record(PLACES[0], 1)]]

    async def reread(_broker: Broker, gaps: list[Gap]) -> list[Record]:
        answer = answers.pop(0)
        assert gaps == [gap]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("streams.rereading.reread", reread)
    monkeypatch.setattr("streams.rereading.PAUSE", 0.0)
    assert await reread_when_there(Broker("h:1"), [gap], lambda: waited.append(1)) == [record(PLACES[0], 1)]
    assert len(waited) == 2


async def test_a_broker_that_refuses_to_read_again_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> list[Record]:
        raise TopicAuthorizationFailedError

    monkeypatch.setattr("streams.rereading.reread", refused)
    with pytest.raises(TopicAuthorizationFailedError):
        await reread_when_there(Broker("h:1"), [], lambda: None)
