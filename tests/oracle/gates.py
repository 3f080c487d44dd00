"""The questions about one patient at one instant: consent, initiating visit, enrolment, stay, death (docs/contract.md §3.7-§3.13)."""

from dataclasses import dataclass

from tests.oracle.clock import FOREVER, NEVER, local_date, month_end, month_of, plus_months
from tests.oracle.facts import Fact, Patient, Tenant
from tests.oracle.rulebook import TRACK_PROGRAMS

VISIT = "care.visit.completed.v1"


@dataclass
class Run:
    """An unrevoked run of consents: in force from `start` to `end`; `given` is when its first consent was given."""

    start: int
    end: int
    given: int


def first(facts: list[Fact], moment: str) -> Fact | None:
    """The first of competing facts: earliest moment, then latest time, then smallest identity."""
    return min(facts, key=lambda fact: (getattr(fact, moment), -fact.time, fact.identity), default=None)


def cpm_visit(patient: Patient, practitioner: str) -> Fact | None:
    """The first qualifying visit for chronic pain management (rule 8)."""
    wanted = {"kind": "cpm_initial", "practitioner_id": practitioner, "modality": "in_person", "setting": "clinical"}
    return first([visit for visit in patient.of(VISIT, **wanted) if visit.end - visit.start >= 1800], "start")


def runs(patient: Patient, program: str, practitioner: str, zone: str) -> list[Run]:
    """The runs of consent, seen from a zone (only CCM asks the zone, for the end of the month of a revocation)."""
    key = ("runs", program, practitioner, zone)
    if key not in patient.memory:
        patient.memory[key] = _runs(patient, program, practitioner, zone)
    found: list[Run] = patient.memory[key]
    return found


def _runs(patient: Patient, program: str, practitioner: str, zone: str) -> list[Run]:
    who = {"program": program, "practitioner_id": practitioner}
    revoked = [(fact.at, 0) for fact in patient.of("care.consent.revoked.v1", **who)]
    given = [(fact.at, 1) for fact in patient.of("care.consent.given.v1", **who)]
    found: list[Run] = []
    for at, is_consent in sorted(revoked + given):
        unrevoked = bool(found) and found[-1].end == FOREVER
        if is_consent and not unrevoked:
            floor = found[-1].end if found else NEVER
            found.append(Run(max(_counts_from(patient, program, practitioner, at), floor), FOREVER, at))
        elif not is_consent and unrevoked:
            found[-1].end = month_end(zone, month_of(local_date(zone, at))) if program == "CCM" else at
    return found


def _counts_from(patient: Patient, program: str, practitioner: str, at: int) -> int:
    visit = cpm_visit(patient, practitioner) if program == "CPM" else None
    return visit.start if visit and visit.start <= at < visit.end else at


def consent_failure(patient: Patient, program: str, practitioner: str, zone: str, second: int) -> str | None:
    """Why consent does not cover the second; None when it does."""
    found = runs(patient, program, practitioner, zone)
    if any(run.start <= second < run.end for run in found):
        return None
    return "after_revocation" if found and second >= found[0].start else "before_consent"


def visited(tenant: Tenant, patient: Patient, program: str, practitioner: str, zone: str, second: int) -> bool:
    """Whether the program's initiating visit lies before the second (rules 8, 9, 10, 13)."""
    if program == "CPM":
        visit = cpm_visit(patient, practitioner)
        return visit is not None and second >= visit.start
    run = next(run for run in runs(patient, program, practitioner, zone) if run.start <= second < run.end)
    earliest = plus_months(local_date(zone, run.given), -12)
    fits = [
        visit
        for visit in patient.of(VISIT, practitioner_id=practitioner)
        if visit.data["kind"] in {"em", "awv", "ippe"} and tenant.date_at(visit.data["site_id"], visit.start) >= earliest
    ]
    started_first = first(fits, "start")
    return started_first is not None and second >= started_first.end


def ended(patient: Patient, program: str, practitioner: str, second: int) -> bool:
    """Whether the last enrolment event up to the instant is an end; at one instant an end precedes a start."""
    who = {"program": program, "practitioner_id": practitioner}
    events = [(fact.at, 0) for fact in patient.of("care.enrollment.ended.v1", **who) if fact.at <= second]
    events += [(fact.at, 1) for fact in patient.of("care.enrollment.started.v1", **who) if fact.at <= second]
    return bool(events) and max(events)[1] == 0


def staying(patient: Patient, second: int) -> bool:
    """Whether the patient is an inpatient or in a skilled nursing facility."""
    stays = patient.of("care.stay.recorded.v1")
    return any(stay.data["kind"] in {"inpatient", "snf"} and stay.start <= second < stay.end for stay in stays)


def dead(patient: Patient, second: int) -> bool:
    """Whether the instant is at or after the death; of several recorded deaths the latest holds."""
    deaths = [fact.at for fact in patient.of("care.patient.died.v1")]
    return bool(deaths) and second >= max(deaths)


def track(tenant: Tenant, patient: Patient, program: str, practitioner: str, month: str) -> str | None:
    """The track of the latest enrolment started before the month's end in the zone of its own site (rule 7)."""
    if program not in TRACK_PROGRAMS:
        return None
    starts = [
        fact
        for fact in patient.of("care.enrollment.started.v1", program=program, practitioner_id=practitioner)
        if month_of(tenant.date_at(fact.data["site_id"], fact.at)) <= month
    ]
    latest = min(starts, key=lambda fact: (-fact.at, -fact.time, fact.identity), default=None)
    return "staff" if latest is None else str(latest.data.get("track", "staff"))
