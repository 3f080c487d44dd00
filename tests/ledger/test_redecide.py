"""What is decided again when a fact arrives late, is replaced, is retracted (the table of docs/invariants.md).

After each step the ledger that took events in as they came says what a fresh one says that is fed all of them at once;
and the fact changes exactly the patient-months named beside it, so that no row passes for want of effect.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from ledger import Ledger, open_ledger
from tests.scenario_steps import Event, Tenant

MONTHS = ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-07", "2026-08")
STAGES = 4
Answer = dict[str, Any]


class Row(NamedTuple):
    """A row of the table: what there is, the fact, what replaces it, and the patient-months that the fact changes."""

    fact: str
    base: tuple[str, ...]
    arrives: str
    better: str
    changes: tuple[str, ...]


CCM = ("ready for CCM with dr-lee",)
MINUTES = tuple(f"time 2026-0{month}-1{month} 10:00 for 20:00 by rn-kim for dr-lee in CCM" for month in (2, 3, 5))
RPM = ("ready for RPM with dr-lee", "device physiologic in RPM with dr-lee set up on 2026-02-15 09:00")
DAYS = ("readings of physiologic in RPM on 2026-02-16 for 10 days", "readings of physiologic in RPM on 2026-03-14 for 20 days")
KINDS = (
    "ready for RTM with dr-lee",
    "device respiratory in RTM with dr-lee set up on 2026-03-01 09:00",
    "device musculoskeletal in RTM with dr-lee set up on 2026-07-01 09:00",
    "reading of respiratory in RTM on 2026-03-05 12:00",
    "readings of musculoskeletal in RTM on 2026-07-01 for 3 days",
)

ROWS = [
    Row(
        "time, over the end of a month, meeting another patient's at another site",
        (
            *CCM,
            "ready for CCM with dr-lee, patient P2",
            "time 2026-03-31 23:30 for 50:00 by rn-pat for dr-lee in CCM",
            "time 2026-03-31 20:50 for 30:00 by rn-kim for dr-lee in CCM, at west, patient P2",
        ),
        "time 2026-03-31 23:20 for 80:00 by rn-kim for dr-lee in CCM",
        "time 2026-03-31 23:55 for 20:00 by rn-kim for dr-lee in CCM",
        ("2026-03", "2026-04", "2026-03 of P2"),
    ),
    Row(
        "visit for pain management, meeting time of another patient",
        (
            "ready for CPM with dr-lee, without visit",
            "ready for CPM with dr-lee, patient P2",
            "time 2026-03-20 10:00 for 30:00 by dr-lee for dr-lee in CPM",
            "time 2026-05-20 10:00 for 30:00 by dr-lee for dr-lee in CPM",
            "time 2026-03-02 10:20 for 40:00 by dr-lee for dr-lee in CPM, patient P2",
        ),
        "visit cpm_initial on 2026-03-02 10:00 for 30:00 with dr-lee",
        "visit cpm_initial on 2026-04-02 10:00 for 30:00 with dr-lee",
        ("2026-03", "2026-05", "2026-03 of P2"),
    ),
    Row(
        "visit for chronic care",
        ("ready for CCM with dr-lee, without consent and visit", "consent for CCM with dr-lee on 2026-01-05 09:00", *MINUTES),
        "visit em on 2026-02-20 10:00 for 20:00 with dr-lee",
        "visit em on 2026-03-13 10:00 for 20:00 with dr-lee",
        ("2026-03", "2026-05"),
    ),
    Row(
        "consent",
        ("ready for CCM with dr-lee, without consent and visit", "visit em on 2026-01-05 10:00 for 20:00 with dr-lee", *MINUTES),
        "consent for CCM with dr-lee on 2026-02-12 10:05",
        "consent for CCM with dr-lee on 2026-05-15 10:10",
        ("2026-02", "2026-03", "2026-05"),
    ),
    Row(
        "consent during the first visit, which reaches back over midnight",
        (
            "ready for CPM with dr-lee, without consent and visit",
            "visit cpm_initial on 2026-03-31 23:20 for 60:00 with dr-lee",
        ),
        "consent for CPM with dr-lee on 2026-04-01 00:10",
        "consent for CPM with dr-lee on 2026-04-01 01:00",
        ("2026-03", "2026-04"),
    ),
    Row(
        "revocation",
        (*CCM, *MINUTES),
        "consent for CCM with dr-lee revoked on 2026-02-20 09:00",
        "consent for CCM with dr-lee revoked on 2026-04-20 09:00",
        ("2026-03", "2026-05"),
    ),
    Row(
        "revocation of monitoring, with a device",
        (*RPM, *DAYS),
        "consent for RPM with dr-lee revoked on 2026-02-17 09:00",
        "consent for RPM with dr-lee revoked on 2026-03-20 09:00",
        ("2026-02", "2026-03", "2026-04"),
    ),
    Row(
        "start of an enrolment, with another track",
        (*CCM, *MINUTES, "enrolled in CCM with dr-lee on 2026-01-05 09:00, track staff"),
        "enrolled in CCM with dr-lee on 2026-03-20 09:00, track practitioner",
        "enrolled in CCM with dr-lee on 2026-04-20 09:00, track complex",
        ("2026-03", "2026-05"),
    ),
    Row(
        "end of an enrolment, with a device",
        (*RPM, *DAYS, *CCM, *MINUTES),
        "enrolment in RPM with dr-lee ended on 2026-02-17 09:00",
        "enrolment in RPM with dr-lee ended on 2026-03-20 09:00",
        ("2026-02", "2026-03", "2026-04"),
    ),
    Row(
        "care plan",
        ("ready for CCM with dr-lee, without plan", *MINUTES),
        "plan for CCM with dr-lee on 2026-02-28 23:00",
        "plan for CCM with dr-lee on 2026-03-31 23:59",
        ("2026-02", "2026-03", "2026-05"),
    ),
    Row(
        "facility stay that lasts",
        (*RPM, *DAYS, *CCM, *MINUTES),
        "stay inpatient from 2026-02-17 09:00",
        "stay snf from 2026-03-13 10:10 to 2026-05-15 10:10",
        ("2026-02", "2026-03", "2026-04", "2026-05"),
    ),
    Row(
        "death",
        (*RPM, *DAYS, *CCM, *MINUTES),
        "died on 2026-03-01 09:00",
        "died on 2026-05-15 10:10",
        ("2026-03", "2026-04", "2026-05"),
    ),
    Row(
        "death, where one is on file already: the latest holds and gives back what lies before it",
        (*CCM, *MINUTES, "died on 2026-02-01 09:00"),
        "died on 2026-04-01 09:00",
        "died on 2026-03-01 09:00",
        ("2026-02", "2026-03"),
    ),
    Row(
        "condition, written down after the months it serves",
        ("ready for CCM with dr-lee, without condition", "condition I10 chronic", *MINUTES),
        "condition E11.9 chronic on 2026-06-01 09:00",
        "condition E11.9 chronic on 2026-07-01 09:00, expected 3 months",
        ("2026-02", "2026-03", "2026-05"),
    ),
    Row(
        "complexity of a month",
        (
            *CCM,
            "enrolled in CCM with dr-lee on 2026-01-05 09:00, track complex",
            *(step.replace("20:00 by", "60:00 by") for step in MINUTES),
        ),
        "complexity of 2026-03 by dr-lee is high",
        "complexity of 2026-05 by dr-lee is moderate",
        ("2026-03",),
    ),
    Row(
        "set-up of a device",
        ("ready for RPM with dr-lee", *DAYS),
        "device physiologic in RPM with dr-lee set up on 2026-02-15 09:00",
        "device physiologic in RPM with dr-lee set up on 2026-03-20 09:00",
        ("2026-02", "2026-03", "2026-04"),
    ),
    Row(
        "reading: its window's month and that of the set-up line",
        (*RPM, "reading of physiologic in RPM on 2026-03-05 12:00", "reading of physiologic in RPM on 2026-03-07 12:00"),
        "reading of physiologic in RPM on 2026-02-18 12:00",
        "reading of physiologic in RPM on 2026-04-18 12:00",
        ("2026-03",),
    ),
    Row(
        "reading, where set-up is due once for kinds whose first windows lie months apart",
        KINDS,
        "reading of respiratory in RTM on 2026-03-06 12:00",
        "reading of respiratory in RTM on 2026-03-20 12:00",
        ("2026-03", "2026-07"),
    ),
    Row(
        "site: under another zone time changes its month",
        (*CCM, "time 2026-03-31 23:00 for 20:00 by rn-kim for dr-lee in CCM, at lake", *MINUTES),
        "site lake in America/New_York",
        "site lake in Europe/London",
        ("2026-03", "2026-04"),
    ),
    Row(
        "version of a site: another amount from a day on",
        (*CCM, "site lake in America/New_York", *(f"{step}, at lake" for step in MINUTES)),
        "site lake in America/New_York, pos 22, from 2026-03-01",
        "site lake in America/New_York, pos 22, from 2026-05-01",
        ("2026-03", "2026-05"),
    ),
    Row(
        "person: another role from a day on",
        (*CCM, "person rn-kim is rn", *MINUTES),
        "person rn-kim is other, from 2026-03-10",
        "person rn-kim is other, from 2026-04-10",
        ("2026-03", "2026-05"),
    ),
    Row(
        "site of a device's set-up",
        (
            "ready for RPM with dr-lee",
            "device physiologic in RPM with dr-lee set up on 2026-02-15 09:00, at lake",
            *DAYS,
        ),
        "site lake in America/New_York",
        "site lake in America/Chicago, pos 22",
        ("2026-02", "2026-03", "2026-04"),
    ),
]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def incremental(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    """A ledger that takes events in as they come."""
    with ExitStack() as stack:
        url = "sqlite://"
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("postgres_server").database())
        yield stack.enter_context(open_ledger(url))


@pytest.fixture(scope="module")
def fresh() -> Iterator[list[Ledger]]:
    """For each stage a ledger that takes in at once what has come till then."""
    ledgers = [open_ledger("sqlite://") for _ in range(STAGES)]
    yield ledgers
    for ledger in ledgers:
        ledger.engine.dispose()


def ingest(ledger: Ledger, events: Sequence[Event]) -> None:
    summary = ledger.ingest((event["id"], json.dumps(event).encode()) for event in events)
    assert summary.dead_letters == 0, ledger.dead_letters()


def answers(ledger: Ledger, tenant: str, patients: Sequence[str]) -> Answer:
    """Lines and explanations by patient-month, without revisions."""
    found: Answer = {}
    for patient in patients:
        for month in MONTHS:
            told = [ledger.lines(tenant, month, patient), ledger.explain(tenant, patient, month)]
            key = month if patient == "P1" else f"{month} of {patient}"
            found[key] = json.loads(json.dumps(told), object_hook=lambda row: {k: v for k, v in row.items() if k != "revision"})
    return found


def patients_of(events: Sequence[Event]) -> list[str]:
    return sorted({event["subject"] for event in events if event["subject"].startswith("P")})


def changed(before: Answer, after: Answer) -> set[str]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fact.partition(",")[0] if isinstance(row, Row) else None)
def test_a_fact_arrives_late_is_replaced_is_retracted(row: Row, incremental: Ledger, fresh: list[Ledger]) -> None:
    tenant = f"row-{ROWS.index(row)}"
    stages = told(tenant, row)
    patients = patients_of(stages[0])
    before: Answer = {}
    for stage, (events, ledger) in enumerate(zip(stages, fresh, strict=True)):
        ingest(incremental, events)
        ingest(ledger, [event for part in stages[: stage + 1] for event in part])
        now = answers(incremental, tenant, patients)
        assert changed(now, answers(ledger, tenant, patients)) == set()
        if stage == 1:
            assert changed(before, now) == set(row.changes)
        before = now


def told(tenant: str, row: Row) -> list[list[Event]]:
    """The events of the four stages: what there is, the fact, its replacement, the retraction of that."""
    story = Tenant(tenant)
    cast = story.tell([*row.base, {"fact": row.arrives}, {"better": f"{row.better}, instead of fact"}, "retract better"])
    first = next(n for n, event in enumerate(cast) if event["id"] == story.labels["fact"]["id"])
    return [cast[:first], *([event] for event in cast[first:])]


@pytest.mark.parametrize("row", ROWS[::3], ids=lambda row: row.fact.partition(",")[0] if isinstance(row, Row) else None)
def test_a_retracted_fact_leaves_what_was_there_before(row: Row, incremental: Ledger, fresh: list[Ledger]) -> None:
    tenant = f"undo-{ROWS.index(row)}"
    base, fact, *_ = told(tenant, row)
    ingest(incremental, base)
    before = answers(incremental, tenant, patients_of(base))
    ingest(incremental, fact)
    undo = Tenant(tenant)
    undo.labels["fact"] = fact[0]
    ingest(incremental, [{**undo.tell(["retract fact"])[0], "id": "undo"}])
    ingest(fresh[0], [*base, *fact, {**undo.events[0], "id": "undo"}])
    now = answers(incremental, tenant, patients_of(base))
    assert changed(now, answers(fresh[0], tenant, patients_of(base))) == set()
    if not row.fact.startswith("time"):
        assert [now[key][0] for key in now] == [before[key][0] for key in now]


def test_a_close_concerns_the_months_with_lines_of_its_site(incremental: Ledger, fresh: list[Ledger]) -> None:
    steps = (
        *CCM,
        *MINUTES,
        "ready for CCM with dr-lee, patient P2",
        "time 2026-03-14 10:00 for 20:00 by rn-kim for dr-lee in CCM, at south, patient P2",
    )
    later = [
        "close 2026-03 of north on 2026-04-05 09:00",
        "time 2026-03-20 10:00 for 20:00 by rn-kim for dr-lee in CCM, recorded 2026-04-10 09:00",
        "close 2026-03 on 2026-04-15 09:00",
    ]
    events = Tenant("closes").tell([*steps, *later])
    stages = [events[:-3], *([event] for event in events[-3:])]
    before: Answer = {}
    expected = [set(), {"2026-03"}, {"2026-03"}, {"2026-03 of P2"}]
    for stage, (part, ledger) in enumerate(zip(stages, fresh, strict=True)):
        ingest(incremental, part)
        ingest(ledger, [event for told_so_far in stages[: stage + 1] for event in told_so_far])
        now = answers(incremental, "closes", ["P1", "P2"])
        assert changed(now, answers(ledger, "closes", ["P1", "P2"])) == set()
        if stage:
            assert changed(before, now) == expected[stage]
        before = now
    assert [a["units_delta"] for a in incremental.adjustments() if a["tenant"] == "closes"] == [1]


def test_the_ledger_verifies_after_all_of_it(incremental: Ledger) -> None:
    assert incremental.verify() == []
