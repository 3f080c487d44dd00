"""Device windows and set-ups of remote monitoring (docs/contract.md §3.12)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from tests.oracle import gates, money
from tests.oracle.clock import FOREVER, days_later, first_instant, month_of
from tests.oracle.facts import Fact, Identity, Patient, Tenant
from tests.oracle.lines import Line
from tests.oracle.rulebook import FULL_DAYS, FULL_WINDOW, SET_UP, SHORT_DAYS, SHORT_WINDOW, TWO_DAYS_FROM, in_force


@dataclass(frozen=True, eq=False)
class Chain:
    """Back-to-back windows of one kind from one set-up, up to the window running at the enrolment's end."""

    program: str
    kind: str
    practitioner: str
    set_up: Fact
    start: date
    until: int
    episode: int

    @property
    def site(self) -> str:
        """The site of the set-up."""
        return str(self.set_up.data["site_id"])

    @property
    def order(self) -> tuple[int, int, Identity]:
        """Which of competing set-ups comes first."""
        return (self.set_up.at, -self.set_up.time, self.set_up.identity)


@dataclass(frozen=True, eq=False)
class Found:
    """A device line (None: its code is not in force), the month and side it belongs to and when it crosses."""

    month: str
    program: str
    practitioner: str
    line: Line | None
    crossing: int


def device_lines(tenant: Tenant, patient: Patient) -> Iterator[Found]:
    """Every device and set-up line of a patient, whatever its month."""
    for program, practitioner in sorted(_pairs(patient)):
        found = [chain for kind in sorted(_kinds(patient, program)) for chain in chains(tenant, patient, program, kind, practitioner)]
        for chain in found:
            yield from window_lines(tenant, patient, chain)
        for episode in sorted({chain.episode for chain in found}):
            yield from set_up_line(tenant, patient, [chain for chain in found if chain.episode == episode])


def _pairs(patient: Patient) -> set[tuple[str, str]]:
    return {(fact.data["program"], fact.data["practitioner_id"]) for fact in patient.of("care.device.set_up.v1")}


def _kinds(patient: Patient, program: str) -> set[str]:
    return {fact.data["kind"] for fact in patient.of("care.device.set_up.v1", program=program)}


def chains(tenant: Tenant, patient: Patient, program: str, kind: str, practitioner: str) -> list[Chain]:
    """The chains of one kind: the first set-up, then after each end that stopped a chain the first set-up that follows it."""
    who = {"program": program, "practitioner_id": practitioner}
    ends = sorted({fact.at for fact in patient.of("care.enrollment.ended.v1", **who)})
    set_ups = [fact for fact in patient.of("care.device.set_up.v1", kind=kind, **who) if tenant.zone(fact.data["site_id"], fact.at)]
    found: list[Chain] = []
    since = -FOREVER
    while (set_up := gates.first([fact for fact in set_ups if fact.at >= since], "at")) is not None:
        start = tenant.date_at(set_up.data["site_id"], set_up.at)
        for chain in found:
            start = max(start, days_later(_last_day_at_end(tenant, chain), 1))
        until = min((end for end in ends if end > set_up.at), default=FOREVER)
        found.append(Chain(program, kind, practitioner, set_up, start, until, sum(end <= set_up.at for end in ends)))
        if until == FOREVER:
            break
        since = until
    return found


def _last_day_at_end(tenant: Tenant, chain: Chain) -> date:
    """The last day of the window running when the chain's enrolment ended; the day before its start if none had begun."""
    ended_on = tenant.date_at(chain.site, chain.until)
    last = days_later(chain.start, -1)
    while last < ended_on:
        last = days_later(last, 30)
    return last if chain.start <= ended_on else date.min


def reading_days(tenant: Tenant, patient: Patient, chain: Chain) -> list[date]:
    """The distinct local dates with a reading that counts for the chain."""
    readings = patient.of("care.device.reading.v1", program=chain.program, kind=chain.kind)
    return sorted({tenant.date_at(chain.site, reading.at) for reading in readings if _reading_counts(tenant, patient, chain, reading.at)})


def _reading_counts(tenant: Tenant, patient: Patient, chain: Chain, second: int) -> bool:
    """Asked of the reading's own instant; consent of RPM and RTM does not depend on a zone."""
    zone = tenant.zone(chain.site, second) or "UTC"
    return (
        second < chain.until
        and gates.consent_failure(patient, chain.program, chain.practitioner, zone, second) is None
        and not gates.ended(patient, chain.program, chain.practitioner, second)
        and not gates.dead(patient, second)
        and not (chain.program == "RPM" and gates.staying(patient, second))
    )


def window_lines(tenant: Tenant, patient: Patient, chain: Chain) -> Iterator[Found]:
    """A line for every window with days enough by the version in force on its last day."""
    days = reading_days(tenant, patient, chain)
    first = chain.start
    while days and first <= days[-1]:
        last = days_later(first, 29)
        count = sum(first <= day <= last for day in days)
        code = _window_code(chain, count, last)
        if code is not None:
            line = _line(tenant, patient, chain, code, last, (first, last, count)) if in_force(code, last) else None
            yield Found(month_of(last), chain.program, chain.practitioner, line, _end_of_day(tenant, chain, last))
        first = days_later(last, 1)


def _window_code(chain: Chain, count: int, last: date) -> str | None:
    if count >= FULL_DAYS:
        return FULL_WINDOW[chain.kind]
    return SHORT_WINDOW[chain.kind] if count >= SHORT_DAYS and last >= TWO_DAYS_FROM[chain.program] else None


def set_up_line(tenant: Tenant, patient: Patient, episode: list[Chain]) -> Iterator[Found]:
    """The one set-up line of an episode, from the first window of any kind that reached its days; `days` are those reached by then."""
    reached = []
    for chain in episode:
        window = [day for day in reading_days(tenant, patient, chain) if chain.start <= day <= days_later(chain.start, 29)]
        for number, day in enumerate(window, 1):
            if number >= (SHORT_DAYS if day >= TWO_DAYS_FROM[chain.program] else FULL_DAYS):
                reached.append((day, chain.order, chain, number))
                break
    if reached:
        day, _, chain, count = min(reached, key=lambda found: found[:2])
        code = SET_UP[chain.program]
        window_of = (chain.start, days_later(chain.start, 29), count)
        line = {**_line(tenant, patient, chain, code, day, window_of), "status": "ready"} if in_force(code, day) else None
        yield Found(month_of(day), chain.program, chain.practitioner, line, _end_of_day(tenant, chain, day))


def _end_of_day(tenant: Tenant, chain: Chain, day: date) -> int:
    """The first instant after a day at the chain's site; the zone of that evening decides."""
    utc_midnight = first_instant("UTC", days_later(day, 1))
    return first_instant(tenant.zone(chain.site, utc_midnight) or "UTC", days_later(day, 1))


def _line(tenant: Tenant, patient: Patient, chain: Chain, code: str, day: date, window: tuple[date, date, int]) -> Line:
    unit = money.unit_amount(tenant, code, chain.site, day)
    return {
        "tenant": tenant.name,
        "patient_id": patient.name,
        "month": month_of(day),
        "program": chain.program,
        "practitioner_id": chain.practitioner,
        "site_id": chain.site,
        "code": code,
        "units": 1,
        "excess_units": 0,
        "status": "awaiting_close",
        "unmet": [],
        "date_of_service": day.isoformat(),
        "seconds": None,
        "unit_amount": unit,
        "amount": unit,
        "window_start": window[0].isoformat(),
        "window_end": window[1].isoformat(),
        "days": window[2],
    }
