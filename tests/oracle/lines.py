"""Time lines of one accumulator: thresholds, requirements, dates and units (docs/contract.md §3.8-§3.11, §3.13, §3.15, §3.16)."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.oracle import gates, money
from tests.oracle.clock import FOREVER, first_day, local_date, month_end, plus_months
from tests.oracle.facts import Fact, Patient, Tenant
from tests.oracle.rulebook import CONTACT_PROGRAMS, PLAN_PROGRAMS, Tier, tiers
from tests.oracle.seconds import Entry, Row

Line = dict[str, Any]


@dataclass
class Side:
    """All lines of one program and practitioner in one month.

    `crossed` has each line with the instant at which it was reached, `lowest` when the lowest base threshold was filled.
    """

    program: str
    practitioner: str
    rows: list[Row] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    crossed: list[tuple[int, Line]] = field(default_factory=list)
    lowest: int = FOREVER
    missing_codes: bool = False
    unmet: list[str] = field(default_factory=list)

    def add(self, line: Line, crossing: int) -> None:
        """Add a line that was reached at an instant."""
        self.lines.append(line)
        self.crossed.append((crossing, line))

    @property
    def order(self) -> tuple[int, str, str]:
        """Which side crossed first (rule 14); only a side with lines has an order."""
        return (min([self.lowest, *(crossing for crossing, _ in self.crossed)]), self.program, self.practitioner)


@dataclass(frozen=True)
class Month:
    """A patient-month being decided."""

    tenant: Tenant
    patient: Patient
    name: str

    def track(self, side: Side) -> str | None:
        """The side's track in this month."""
        return gates.track(self.tenant, self.patient, side.program, side.practitioner, self.name)

    def tiers(self, side: Side) -> list[Tier]:
        """The tiers of the side's track in force on the first day of the month."""
        return tiers(side.program, self.track(side), first_day(self.name))


def counted(side: Side) -> list[tuple[int, Entry]]:
    """The side's counted seconds in order of time, each with its entry."""
    seconds = [(second, row.entry) for row in side.rows if row.reason is None for second in row.seconds]
    return sorted(seconds, key=lambda pair: pair[0])


def add_time_lines(month: Month, side: Side) -> None:
    """Add the base line of the highest tier reached and its add-on; before that, name what is unmet as of the last counted second."""
    seconds = counted(side)
    if seconds:
        side.unmet = unmet_at(month, side, *seconds[-1])
    in_force = month.tiers(side)
    side.missing_codes = side.missing_codes or (bool(side.rows) and not in_force)
    reached = [tier for tier in in_force if len(seconds) >= tier.threshold]
    if not reached:
        return
    side.lowest = seconds[reached[0].threshold - 1][0] + 1
    tier = reached[-1]
    crossing = seconds[tier.threshold - 1][0] + 1
    side.unmet = unmet_at(month, side, *seconds[tier.threshold - 1])
    base = _base(month, side, seconds, tier)
    side.add(_priced(month.tenant, base, tier.base, 1), crossing)
    if tier.addon is not None and len(seconds) >= tier.threshold + tier.step:
        units = (len(seconds) - tier.threshold) // tier.step
        side.add(_priced(month.tenant, base, tier.addon, units), crossing)


def _base(month: Month, side: Side, seconds: list[tuple[int, Entry]], tier: Tier) -> Line:
    """What base and add-on share, taken from the second that fills the base threshold."""
    second, entry = seconds[tier.threshold - 1]
    day = month.tenant.date_at(entry.site, second)
    status = "held" if side.unmet else ("awaiting_close" if tier.waits else "ready")
    return {
        "tenant": month.tenant.name,
        "patient_id": month.patient.name,
        "month": month.name,
        "program": side.program,
        "practitioner_id": side.practitioner,
        "site_id": entry.site,
        "status": status,
        "unmet": side.unmet,
        "date_of_service": day.isoformat(),
        "seconds": len(seconds),
        "evidence": evidence({entry.fact for _, entry in seconds}),
    }


def evidence(facts: set[Fact]) -> list[str]:
    """The events behind a time line, by start, then identity."""
    return [fact.name for fact in sorted(facts, key=lambda fact: (fact.start, fact.identity))]


def _priced(tenant: Tenant, shared: Line, code: str, units: int) -> Line:
    payable = min(units, money.unit_cap(code))
    unit = money.unit_amount(tenant, code, shared["site_id"], date.fromisoformat(shared["date_of_service"]))
    return {
        **shared,
        "code": code,
        "units": payable,
        "excess_units": units - payable,
        "unit_amount": unit,
        "amount": money.times(unit, payable),
    }


def unmet_at(month: Month, side: Side, second: int, entry: Entry) -> list[str]:
    """What is missing when a counted second is taken as the one that carries the base over."""
    zone = month.tenant.zone(entry.site, second) or "UTC"
    return requirements(month, side, zone, local_date(zone, second))


def requirements(month: Month, side: Side, zone: str, day: date) -> list[str]:
    """The names of what is missing on the date of service, sorted."""
    who = {"program": side.program, "practitioner_id": side.practitioner}
    missing = set()
    if not condition_met(month.patient, side.program, day):
        missing.add("condition")
    plans = month.patient.of("care.plan.recorded.v1", **who)
    if side.program in PLAN_PROGRAMS and not any(plan.at < month_end(zone, month.name) for plan in plans):
        missing.add("care_plan")
    contact = any(row.reason is None and row.entry.data.get("interactive") for row in side.rows)
    if side.program in CONTACT_PROGRAMS and not contact:
        missing.add("interactive_contact")
    if month.track(side) == "complex" and not mdm_met(month.patient, side.practitioner, month.name):
        missing.add("mdm")
    return sorted(missing)


def condition_met(patient: Patient, program: str, day: date) -> bool:
    """Whether the recorded conditions meet the program's requirement on the date of service."""
    if program == "CPM":
        pains = patient.of("care.condition.recorded.v1", category="chronic_pain")
        onsets = [date.fromisoformat(fact.data["onset"]) for fact in pains if "onset" in fact.data]
        return any(plus_months(onset, 3) <= day for onset in onsets)
    if program == "CCM":
        return len(_lasting(patient, "chronic", 12)) >= 2
    if program == "PCM":
        return len(_lasting(patient, "high_risk", 3)) >= 1
    return program != "BHI" or bool(patient.of("care.condition.recorded.v1", category="behavioral"))


def _lasting(patient: Patient, category: str, months: int) -> set[str]:
    conditions = patient.of("care.condition.recorded.v1", category=category)
    return {fact.data["icd10"].upper().replace(".", "") for fact in conditions if fact.data.get("expected_months", months) >= months}


def mdm_met(patient: Patient, practitioner: str, month: str) -> bool:
    """Whether the level that holds for the month (latest time, then smallest identity) is moderate or high."""
    levels = patient.of("care.mdm.recorded.v1", practitioner_id=practitioner, month=month)
    holds = min(levels, key=lambda fact: (-fact.time, fact.identity), default=None)
    return holds is not None and holds.data["level"] in {"moderate", "high"}


def upcoming(month: Month, side: Side) -> dict[str, Any] | None:
    """The next code and the counted seconds missing to it; None past the last payable unit or with no code in force."""
    have = sum(len(row.seconds) for row in side.rows if row.reason is None)
    in_force = month.tiers(side)
    for tier in in_force:
        if have < tier.threshold:
            return {"code": tier.base, "seconds_needed": tier.threshold - have}
    if not in_force or in_force[-1].addon is None:
        return None
    tier, code = in_force[-1], in_force[-1].addon
    units = (have - tier.threshold) // tier.step
    if units >= money.unit_cap(code):
        return None
    return {"code": code, "seconds_needed": tier.threshold + (units + 1) * tier.step - have}
