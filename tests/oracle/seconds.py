"""Every second of every entry gets a month and, where it does not count, the first failing reason (docs/contract.md §3.1-§3.7).

The questions are asked of one second at a time. Answers are remembered for the seconds of one minute between which no fact of the
tenant begins or ends, so nothing a question looks at can differ; `remember=False` asks them anew for every second.
"""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.oracle import gates
from tests.oracle.clock import local_date, month_of
from tests.oracle.facts import Fact, Identity, Patient, Tenant
from tests.oracle.rulebook import BILLING, GENERAL_SUPERVISION_FROM, ROLES, STAY_PROGRAMS, THERAPISTS, VISIT_PROGRAMS

Answer = tuple[str, str | None]


@dataclass(frozen=True, eq=False)
class Entry:
    """Time of a program: a logged entry, or the first qualifying CPM visit."""

    fact: Fact
    program: str
    practitioner: str
    performer: str
    site: str

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return self.fact.data

    @property
    def order(self) -> tuple[int, int, Identity]:
        """Who wins an overlap (rule 5)."""
        return (self.fact.start, self.fact.time, self.fact.identity)


@dataclass(frozen=True, eq=False)
class Row:
    """Seconds of one entry in one month with one reason (None: they count), ascending."""

    entry: Entry
    month: str
    reason: str | None
    seconds: list[int]


def entries(patient: Patient) -> list[Entry]:
    """All time entries, dead ones too, and each practitioner's first qualifying CPM visit that is not billed as an E/M."""
    found = [
        Entry(fact, fact.data["program"], fact.data["practitioner_id"], fact.data["performer_id"], fact.data["site_id"])
        for fact in patient.entries
    ]
    for practitioner in sorted({str(fact.data["practitioner_id"]) for fact in patient.of(gates.VISIT)}):
        visit = gates.cpm_visit(patient, practitioner)
        if visit is not None and not visit.data["em_billed"]:
            found.append(Entry(visit, "CPM", practitioner, practitioner, visit.data["site_id"]))
    return sorted(found, key=lambda entry: entry.order)


def rows(tenant: Tenant, remember: bool = True) -> dict[str, list[Row]]:
    """The rows of every patient of a tenant."""
    booked = double_booked(tenant)
    cuts = _cuts(tenant)
    return {name: _patient_rows(tenant, patient, booked, cuts if remember else None) for name, patient in tenant.patients.items()}


def double_booked(tenant: Tenant) -> dict[str, set[int]]:
    """For each performer the seconds in which living, not inferred time or visits of two patients meet (rule 6)."""
    busy: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for name, patient in tenant.patients.items():
        for fact in patient.entries:
            if fact.identity not in tenant.dead and fact.data["source"] != "inferred":
                busy[fact.data["performer_id"]][name].update(range(fact.start, fact.end))
        for visit in patient.of(gates.VISIT):
            busy[visit.data["practitioner_id"]][name].update(range(visit.start, visit.end))
    return {performer: _in_two(list(sets.values())) for performer, sets in busy.items()}


def _in_two(sets: list[set[int]]) -> set[int]:
    seen: set[int] = set()
    twice: set[int] = set()
    for some in sets:
        twice |= seen & some
        seen |= some
    return twice


def _cuts(tenant: Tenant) -> list[int]:
    moments: set[int] = set()
    for patient in tenant.patients.values():
        for fact in [*patient.entries, *(fact for facts in patient.facts.values() for fact in facts)]:
            moments |= {fact.at, fact.start, fact.end}
    return sorted(moments)


def _patient_rows(tenant: Tenant, patient: Patient, booked: dict[str, set[int]], cuts: list[int] | None) -> list[Row]:
    """The rows of one patient; entries in overlap order, so that a second already taken is an overlap."""
    taken: set[int] = set()
    found: list[Row] = []
    for entry in entries(patient):
        groups: dict[Answer, list[int]] = defaultdict(list)
        busy = booked.get(entry.performer, set())
        for second, (month, failure) in _answers(tenant, patient, entry, cuts):
            reason = failure
            if reason is None and second in busy:
                reason = "performer_double_booked"
            if reason is None and second in taken:
                reason = "overlap"
            groups[month, reason].append(second)
        found += [Row(entry, month, reason, seconds) for (month, reason), seconds in groups.items()]
        taken.update(second for (_, reason), seconds in groups.items() if reason is None for second in seconds)
    return found


def _answers(tenant: Tenant, patient: Patient, entry: Entry, cuts: list[int] | None) -> list[tuple[int, Answer]]:
    """Each second of an entry with its month and what is against it, overlaps and double bookings aside."""
    seconds = range(entry.fact.start, entry.fact.end)
    if cuts is None:
        return [(second, ask(tenant, patient, entry, second)) for second in seconds]
    known: dict[tuple[int, int], Answer] = {}
    found = []
    for second in seconds:
        cell = (second // 60, bisect_right(cuts, second))
        if cell not in known:
            known[cell] = ask(tenant, patient, entry, second)
        found.append((second, known[cell]))
    return found


def ask(tenant: Tenant, patient: Patient, entry: Entry, second: int) -> Answer:
    """The month of a second and the first reason against it, in the order of docs/contract.md §3.4."""
    zone = tenant.zone(entry.site, second)
    month = month_of(local_date(zone or "UTC", second))
    if entry.fact.identity in tenant.dead:
        return month, "retracted"
    if entry.data.get("source") == "inferred":
        return month, "inferred_source"
    if zone is None:
        return month, "site_unknown"
    person = tenant.version("care.practitioner.registered.v1", entry.performer, local_date(zone, second))
    if person is None:
        return month, "performer_unknown"
    return month, _who(tenant, patient, entry, person["role"], month) or _when(tenant, patient, entry, zone, second)


def _who(tenant: Tenant, patient: Patient, entry: Entry, role: str, month: str) -> str | None:
    track = gates.track(tenant, patient, entry.program, entry.practitioner, month)
    if role not in ROLES[entry.program, track]:
        return "performer_role"
    early_rtm = entry.program == "RTM" and month < GENERAL_SUPERVISION_FROM
    if early_rtm and role not in BILLING | THERAPISTS and entry.data.get("supervision", "general") != "direct":
        return "performer_role"
    personal = entry.program == "CPM" or track == "practitioner"
    return "not_personal" if personal and entry.performer != entry.practitioner else None


def _when(tenant: Tenant, patient: Patient, entry: Entry, zone: str, second: int) -> str | None:
    program, practitioner = entry.program, entry.practitioner
    consent = gates.consent_failure(patient, program, practitioner, zone, second)
    if consent is not None:
        return consent
    needs_visit = program == "CPM" or program in VISIT_PROGRAMS
    if needs_visit and not gates.visited(tenant, patient, program, practitioner, zone, second):
        return "before_initiating_visit"
    if gates.ended(patient, program, practitioner, second):
        return "after_enrollment_end"
    if program in STAY_PROGRAMS and gates.staying(patient, second):
        return "facility_stay"
    if gates.dead(patient, second):
        return "after_death"
    return "billed_visit" if _in_billed_visit(patient, entry, second) else None


def _in_billed_visit(patient: Patient, entry: Entry, second: int) -> bool:
    visits = patient.of(gates.VISIT, practitioner_id=entry.performer)
    return any(visit.data["em_billed"] and visit.start <= second < visit.end for visit in visits)
