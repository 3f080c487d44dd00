"""The oracle against published vectors and the two worked patients; it must be right before anything is compared with it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from tests.generators import random_history, tenant_histories
from tests.oracle import Answer, decide

Event = dict[str, Any]
CPM_VISIT = {"kind": "cpm_initial", "modality": "in_person", "setting": "clinical", "em_billed": True}


class Story:
    """Events of one patient P1 at one site, each recorded when it happened."""

    def __init__(self, zone: str = "America/New_York", pos: str = "11") -> None:
        self.events: list[Event] = []
        self.add("care.site.registered.v1", "north", {"name": "North", "zone": zone, "pos": pos})
        for person, role in (("dr-lee", "physician"), ("dr-roy", "np"), ("rn-kim", "rn"), ("pt-amy", "pt")):
            self.add("care.practitioner.registered.v1", person, {"role": role})

    def add(self, kind: str, subject: str, data: Event, **envelope: Any) -> str:
        """Append an event and answer its id."""
        happened = [text for key in ("at", "start", "end") if (text := data.get(key))]
        name = f"e{len(self.events):03}"
        time = max([moment(text) for text in happened], default=moment("2019-01-01T00:00:00Z"))
        base = {"specversion": "1.0", "id": name, "source": "/test", "type": kind, "tenant": "t", "subject": subject}
        self.events.append({**base, "time": stamp(time), **envelope, "data": data})
        return name

    def patient(self, kind: str, /, **data: Any) -> str:
        """Append an event of P1 with dr-lee as the practitioner unless told otherwise."""
        return self.add(kind, "P1", data)

    def consent(self, program: str, at: str = "2020-01-02T12:00:00Z", practitioner: str = "dr-lee", what: str = "given") -> None:
        """A consent, or with what='revoked' a revocation."""
        form = {"form": "verbal"} if what == "given" else {}
        self.patient(f"care.consent.{what}.v1", program=program, practitioner_id=practitioner, at=at, **form)

    def visit(self, start: str, minutes: int, **data: Any) -> str:
        """A visit with dr-lee at north."""
        shape = {"practitioner_id": "dr-lee", "site_id": "north", "start": start, "end": later(start, minutes * 60), **CPM_VISIT, **data}
        return self.patient("care.visit.completed.v1", **shape)

    def time(self, program: str, start: str, seconds: int, performer: str = "dr-lee", **data: Any) -> str:
        """A time entry at north, interactive, by the timer."""
        who = {"practitioner_id": "dr-lee", "performer_id": performer, "site_id": "north"}
        rest = {"activity": "care_coordination", "interactive": True, "source": "timer"}
        when = {"start": start, "end": later(start, seconds)}
        return self.patient("care.time.logged.v1", program=program, **{**who, **when, **rest, **data})

    def ready_for(self, program: str, track: str | None = None, practitioner: str = "dr-lee") -> None:
        """Everything the program asks for, long before."""
        self.consent(program, practitioner=practitioner)
        self.visit("2020-01-02T10:00:00Z", 40, practitioner_id=practitioner)
        self.visit("2020-01-03T10:00:00Z", 40, kind="em", practitioner_id=practitioner)
        self.patient("care.plan.recorded.v1", program=program, practitioner_id=practitioner, at="2020-01-04T10:00:00Z")
        for code, category in (("I10", "chronic"), ("E11.9", "chronic"), ("C50", "high_risk"), ("F32", "behavioral")):
            self.patient("care.condition.recorded.v1", icd10=code, category=category, at="2020-01-04T10:00:00Z")
        self.patient("care.condition.recorded.v1", icd10="M54.50", category="chronic_pain", at="2020-01-04T10:00:00Z", onset="2019-01-01")
        who = {"program": program, "practitioner_id": practitioner, "site_id": "north", "at": "2020-01-05T10:00:00Z"}
        self.patient("care.enrollment.started.v1", **who, **({"track": track} if track else {}))

    def readings(self, program: str, kind: str, first: str, days: int) -> None:
        """One reading a day at the hour of the first."""
        for day in range(days):
            self.patient("care.device.reading.v1", program=program, kind=kind, at=later(first, day * 86400))

    def answer(self) -> Answer:
        """The oracle's answer."""
        return decide(self.events)

    def codes(self) -> dict[str, int]:
        """Payable units by code, held lines too."""
        return {line["code"]: line["units"] for line in self.answer().lines}


def moment(text: str) -> datetime:
    """An RFC 3339 text as an instant."""
    return datetime.fromisoformat(text)


def stamp(when: datetime) -> str:
    """An instant as RFC 3339 in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def later(text: str, seconds: int) -> str:
    """The instant so many seconds after another."""
    return stamp(moment(text) + timedelta(seconds=seconds))


def minutes(count: float) -> int:
    """Minutes in seconds."""
    return round(count * 60)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (minutes(30) - 1, {}),
        *((minutes(m), {"G3002": 1}) for m in (30, 43, 44)),
        (minutes(45) - 1, {"G3002": 1}),
        *((minutes(m), {"G3002": 1, "G3003": 1}) for m in (45, 46, 59)),
        *((minutes(m), {"G3002": 1, "G3003": 2}) for m in (60, 74)),
        *((minutes(m), {"G3002": 1, "G3003": 3}) for m in (76, 89)),
        *((minutes(m), {"G3002": 1, "G3003": 4}) for m in (90, 91, 104, 105)),
    ],
)
def test_cpm_by_full_increments(length: int, expected: dict[str, int]) -> None:
    story = Story()
    story.ready_for("CPM")
    story.time("CPM", "2026-03-04T15:00:00Z", length)
    assert story.codes() == expected


def test_cpm_excess_is_kept() -> None:
    story = Story()
    story.ready_for("CPM")
    story.time("CPM", "2026-03-04T15:00:00Z", minutes(105))
    addon = story.answer().lines[1]
    assert (addon["units"], addon["excess_units"], addon["amount"]) == (4, 1, "126.92")


@pytest.mark.parametrize(
    ("program", "track", "month", "table"),
    [
        ("CCM", "staff", "2025-05", {19: {}, 20: {"99490": 1}, 40: {"99490": 1, "99439": 1}, 90: {"99490": 1, "99439": 2}}),
        ("CCM", "practitioner", "2025-05", {29: {}, 30: {"99491": 1}, 59: {"99491": 1}, 60: {"99491": 1, "99437": 1}}),
        ("PCM", "staff", "2025-05", {29: {}, 30: {"99426": 1}, 60: {"99426": 1, "99427": 1}, 90: {"99426": 1, "99427": 2}}),
        ("PCM", "practitioner", "2025-05", {30: {"99424": 1}, 120: {"99424": 1, "99425": 2}}),
        ("RPM", None, "2025-05", {12: {}, 19: {}, 20: {"99457": 1}, 40: {"99457": 1, "99458": 1}, 80: {"99457": 1, "99458": 3}}),
        ("RPM", None, "2026-02", {9: {}, 10: {"99470": 1}, 19: {"99470": 1}, 20: {"99457": 1}, 40: {"99457": 1, "99458": 1}}),
        ("RTM", None, "2026-02", {9: {}, 10: {"98979": 1}, 40: {"98980": 1, "98981": 1}}),
        ("BHI", None, "2024-03", {19: {}, 20: {"99484": 1}, 60: {"99484": 1}}),
        ("CPM", None, "2022-12", {60: {}}),
    ],
)
def test_tables_of_the_families(program: str, track: str | None, month: str, table: dict[int, dict[str, int]]) -> None:
    for length, expected in table.items():
        story = Story()
        story.ready_for(program, track)
        story.time(program, f"{month}-04T15:00:00Z", minutes(length))
        assert story.codes() == expected, length


def test_complex_needs_the_decision_making_of_the_month() -> None:
    story = Story()
    story.ready_for("CCM", "complex")
    story.time("CCM", "2026-03-04T15:00:00Z", minutes(120), performer="rn-kim")
    assert [(line["code"], line["units"], line["unmet"]) for line in story.answer().lines] == [("99487", 1, ["mdm"]), ("99489", 2, ["mdm"])]
    story.patient("care.mdm.recorded.v1", practitioner_id="dr-lee", month="2026-03", level="moderate")
    assert {line["status"] for line in story.answer().lines} == {"ready"}


def test_no_live_contact_holds_the_line() -> None:
    story = Story()
    story.ready_for("RPM")
    story.time("RPM", "2026-02-04T15:00:00Z", minutes(25), interactive=False)
    assert [(line["status"], line["unmet"]) for line in story.answer().lines] == [("held", ["interactive_contact"])]


def test_a_month_end_at_midnight_and_a_month_across_it() -> None:
    story = Story()
    story.ready_for("CPM")
    story.time("CPM", "2026-01-01T03:50:00Z", minutes(35))
    story.time("CPM", "2026-02-01T04:40:00Z", minutes(40))
    answer = story.answer()
    assert [(line["month"], line["date_of_service"]) for line in answer.lines] == [("2025-12", "2025-12-31")]
    assert [answer.explain["t", "P1", month]["programs"][0]["counted_seconds"] for month in ("2026-01", "2026-02")] == [1200, 1200]


@pytest.mark.parametrize(("start", "price"), [("2024-03-08T15:00:00Z", "81.21"), ("2024-03-09T15:00:00Z", "82.55")])
def test_the_price_is_that_of_the_date(start: str, price: str) -> None:
    story = Story()
    story.ready_for("CPM")
    story.time("CPM", start, minutes(31))
    assert story.answer().lines[0]["amount"] == price


def test_a_facility_without_an_amount_has_none() -> None:
    for pos, start, price in (("22", "2024-03-08T15:00:00Z", None), ("22", "2026-03-04T15:00:00Z", "64.46")):
        story = Story(pos=pos)
        story.ready_for("CPM")
        story.time("CPM", start, minutes(31))
        assert story.answer().lines[0]["amount"] == price


@pytest.mark.parametrize(
    ("set_up", "days", "expected"),
    [
        ("2025-03-01T15:00:00Z", 15, {}),
        ("2025-03-01T15:00:00Z", 16, {"99453": 1, "99454": 1}),
        ("2026-03-01T15:00:00Z", 1, {}),
        ("2026-03-01T15:00:00Z", 2, {"99453": 1, "99445": 1}),
        ("2026-03-01T15:00:00Z", 15, {"99453": 1, "99445": 1}),
        ("2026-03-01T15:00:00Z", 16, {"99453": 1, "99454": 1}),
        ("2025-12-10T15:00:00Z", 16, {"99453": 1, "99454": 1}),
    ],
)
def test_device_days(set_up: str, days: int, expected: dict[str, int]) -> None:
    story = Story()
    story.ready_for("RPM")
    story.patient(
        "care.device.set_up.v1", program="RPM", kind="physiologic", practitioner_id="dr-lee", site_id="north", at=later(set_up, 3600)
    )
    story.readings("RPM", "physiologic", set_up, days)
    assert story.codes() == expected


def test_windows_over_the_new_year() -> None:
    """Fifteen days in December are too few there; a reading on 1 January is the sixteenth, and two are enough from that day."""
    story = Story()
    story.ready_for("RPM")
    story.patient(
        "care.device.set_up.v1", program="RPM", kind="physiologic", practitioner_id="dr-lee", site_id="north", at="2025-12-17T15:00:00Z"
    )
    story.readings("RPM", "physiologic", "2025-12-17T15:00:00Z", 16)
    shown = [(line["code"], line["month"], line["date_of_service"], line["days"], line["status"]) for line in story.answer().lines]
    assert shown == [("99453", "2026-01", "2026-01-01", 16, "ready"), ("99454", "2026-01", "2026-01-15", 16, "awaiting_close")]


def test_a_new_set_up_waits_for_the_running_window() -> None:
    story = Story()
    who = {"program": "RPM", "practitioner_id": "dr-lee"}
    device = {**who, "kind": "physiologic", "site_id": "north"}
    story.consent("RPM")
    story.patient("care.device.set_up.v1", **device, at="2026-01-01T15:00:00Z")
    story.patient("care.enrollment.ended.v1", **who, at="2026-01-20T15:00:00Z", reason="pause")
    story.patient("care.enrollment.started.v1", **who, site_id="north", at="2026-01-22T15:00:00Z")
    story.readings("RPM", "physiologic", "2026-01-15T16:00:00Z", 28)
    assert [(line["code"], line["days"]) for line in story.answer().lines] == [("99445", 5), ("99453", 2)]
    story.patient("care.device.set_up.v1", **device, at="2026-01-25T15:00:00Z")
    shown = [(line["code"], line["month"], line["window_start"], line["days"]) for line in story.answer().lines]
    assert shown == [
        ("99445", "2026-01", "2026-01-01", 5),
        ("99453", "2026-01", "2026-01-01", 2),
        ("99453", "2026-02", "2026-01-31", 2),
        ("99445", "2026-03", "2026-01-31", 12),
    ]


def test_rpm_and_rtm_exclude_each_other() -> None:
    story = Story()
    for program in ("RPM", "RTM"):
        story.ready_for(program)
    story.time("RTM", "2026-02-04T15:00:00Z", minutes(20))
    story.time("RPM", "2026-02-04T16:00:00Z", minutes(20))
    shown = [(line["code"], line["status"], line.get("excluded_by")) for line in story.answer().lines]
    assert shown == [("99457", "excluded", ("RTM", "dr-lee", "98980", None)), ("98980", "ready", None)]


def test_a_held_side_excludes_nobody() -> None:
    story = Story()
    for practitioner in ("dr-lee", "dr-roy"):
        story.ready_for("CCM", practitioner=practitioner)
    story.events = [event for event in story.events if event["type"] != "care.plan.recorded.v1" or lees(event)]
    story.time("CCM", "2020-02-04T15:00:00Z", minutes(20), practitioner_id="dr-roy")
    story.time("CCM", "2020-02-05T15:00:00Z", minutes(20))
    assert [(line["practitioner_id"], line["status"]) for line in story.answer().lines] == [("dr-lee", "ready"), ("dr-roy", "held")]


def lees(event: Event) -> bool:
    """Whether dr-lee is the practitioner."""
    return bool(event["data"]["practitioner_id"] == "dr-lee")


def test_a_ccm_revocation_waits_for_the_month_and_a_new_run_for_it() -> None:
    story = Story()
    story.ready_for("CCM")
    story.consent("CCM", "2020-02-10T12:00:00Z", what="revoked")
    for start in ("2020-02-20T15:00:00Z", "2020-03-04T15:00:00Z"):
        story.time("CCM", start, minutes(20), performer="rn-kim")
    assert [line["month"] for line in story.answer().lines] == ["2020-02"]
    assert story.answer().explain["t", "P1", "2020-03"]["programs"][0]["excluded"][0]["reason"] == "after_revocation"
    story.consent("CCM", "2020-02-11T12:00:00Z")
    assert [line["month"] for line in story.answer().lines] == ["2020-02", "2020-03"]


def test_one_performer_with_two_patients_counts_for_neither() -> None:
    story = Story()
    story.ready_for("CPM")
    story.time("CPM", "2026-03-04T15:00:00Z", minutes(40))
    other = {**story.events[-1], "id": "other", "subject": "P2"}
    other["data"] = {**other["data"], "start": "2026-03-04T15:30:00Z", "end": "2026-03-04T15:50:00Z"}
    story.events.append(other)
    assert reasons(story.answer(), "P1") == {"performer_double_booked": 600}
    assert reasons(story.answer(), "P2") == {"before_consent": 1200}


def reasons(answer: Answer, patient: str) -> dict[str, int]:
    """Excluded seconds of the patient's first program in March 2026 by reason."""
    (program,) = answer.explain["t", patient, "2026-03"]["programs"]
    return {row["reason"]: row["seconds"] for row in program["excluded"]}


def test_a_replaced_entry_never_comes_back() -> None:
    story = Story()
    story.ready_for("CPM")
    first = story.time("CPM", "2026-03-04T15:00:00Z", minutes(40))
    second = story.time("CPM", "2026-03-05T15:00:00Z", minutes(31))
    story.events[-1]["replaces"] = first
    story.add("care.event.retracted.v1", "P1", {"id": second, "reason": "mistake"})
    answer = story.answer()
    assert answer.lines == []
    assert reasons(answer, "P1") == {"retracted": minutes(31)}


def test_first_month() -> None:
    """A visit that counts, a nurse's minutes that do not, an entry over midnight at the month's end."""
    story = Story("America/Chicago")
    story.consent("CPM", "2026-03-02T15:05:00Z")
    story.patient("care.condition.recorded.v1", icd10="M54.50", category="chronic_pain", at="2026-03-02T15:30:00Z", onset="2025-09-01")
    story.visit("2026-03-02T15:00:00Z", 32, em_billed=False)
    story.time("CPM", "2026-03-11T14:00:00-05:00", 500)
    story.time("CPM", "2026-03-11T14:05:00-05:00", 600, performer="rn-kim")
    story.time("CPM", "2026-03-31T23:50:00-05:00", 900)
    answer = story.answer()
    shown = [(line["code"], line["units"], line["date_of_service"], line["seconds"], line["amount"]) for line in answer.lines]
    assert shown == [("G3002", 1, "2026-03-02", 3020, "86.17"), ("G3003", 1, "2026-03-02", 3020, "31.73")]
    march, april = (answer.explain["t", "P1", month]["programs"][0] for month in ("2026-03", "2026-04"))
    assert [row["seconds"] for row in march["counted"]] == [1920, 500, 600]
    assert [(row["seconds"], row["reason"]) for row in march["excluded"]] == [(600, "performer_role")]
    assert march["next"] == {"code": "G3003", "seconds_needed": 580}
    assert (april["counted_seconds"], april["next"], april["lines"]) == (300, {"code": "G3002", "seconds_needed": 1500}, [])


def test_two_programs() -> None:
    """Chronic care and chronic pain side by side with an overlap, and a retracted entry."""
    story = Story()
    story.consent("CPM", "2026-02-03T09:50:00-05:00")
    story.visit("2026-02-03T10:00:00-05:00", 40)
    story.patient("care.condition.recorded.v1", icd10="G89.29", category="chronic_pain", at="2026-02-03T16:00:00Z", onset="2024-02-03")
    story.visit("2026-02-04T08:00:00-05:00", 20, kind="em")
    story.consent("CCM", "2026-02-04T08:30:00-05:00")
    story.patient("care.plan.recorded.v1", program="CCM", practitioner_id="dr-lee", at="2026-02-04T13:40:00Z")
    for code in ("E11.9", "I10"):
        story.patient("care.condition.recorded.v1", icd10=code, category="chronic", at="2026-02-04T13:45:00Z")
    story.time("CCM", "2026-04-07T10:00:00-04:00", 1290, performer="rn-kim")
    story.time("CPM", "2026-04-07T10:15:00-04:00", 1860, interactive=False)
    late = story.time("CCM", "2026-04-20T16:00:00-04:00", 1140, performer="rn-kim", interactive=False)
    story.add("care.event.retracted.v1", "P1", {"id": late, "reason": "entered in error"})
    answer = story.answer()
    assert [(line["code"], line["date_of_service"], line["seconds"], line["amount"]) for line in answer.lines] == [
        ("99490", "2026-04-07", 1290, "66.13")
    ]
    care, pain = answer.explain["t", "P1", "2026-04"]["programs"]
    assert (care["track"], care["counted_seconds"], care["next"]) == ("staff", 1290, {"code": "99439", "seconds_needed": 1110})
    assert [(row["seconds"], row["reason"]) for row in care["excluded"]] == [(1140, "retracted")]
    assert (pain["counted_seconds"], pain["next"]) == (1470, {"code": "G3002", "seconds_needed": 330})
    assert [(row["seconds"], row["reason"]) for row in pain["excluded"]] == [(390, "overlap")]


@pytest.mark.parametrize("seed", range(12))
def test_memory_changes_no_answer(seed: int) -> None:
    history = random_history(seed)
    assert decide(history) == decide(reversed(history), remember=False)


@settings(max_examples=25, deadline=None)
@given(tenant_histories())
def test_every_second_is_counted_or_excluded(history: list[Event]) -> None:
    logged = {
        (event["source"], event["id"]): (moment(event["data"]["end"]), moment(event["data"]["start"]))
        for event in history
        if event["type"] == "care.time.logged.v1"
    }
    trees = decide(history).explain.values()
    rows = [row for tree in trees for program in tree["programs"] for row in program["counted"] + program["excluded"]]
    for (source, name), (end, start) in logged.items():
        shown = sum(row["seconds"] for row in rows if row["event"] == f"{source}|{name}")
        assert shown == int(end.timestamp()) - int(start.timestamp())


@settings(max_examples=25, deadline=None)
@given(tenant_histories(closes=True))
def test_duplicates_and_order_change_no_answer(history: list[Event]) -> None:
    assert decide([*reversed(history), *history]) == decide(history)


def test_the_answers_of_generated_histories_are_varied() -> None:
    answers = [decide(random_history(seed)) for seed in range(150)]
    found = {row["reason"] for row in excluded_rows(answers)}
    assert len(found) == 15, found
    assert {line["status"] for answer in answers for line in answer.lines} == {"ready", "held", "awaiting_close", "excluded"}
    assert len({line["code"] for answer in answers for line in answer.lines}) >= 22


def excluded_rows(answers: list[Answer]) -> list[dict[str, Any]]:
    """Every excluded row of every explanation."""
    programs = [program for answer in answers for tree in answer.explain.values() for program in tree["programs"]]
    return [row for program in programs for row in program["excluded"]]
