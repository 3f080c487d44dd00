"""When time of one program and practitioner may count at all: consent, first visit, enrolment, stays, death.

Everything here is told as blocks: a reason of docs/contract.md §3.4 that depends on the calendar alone and a span of seconds
it takes away, in the order in which reasons are reported.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.calendar import DAY, EPOCH_DAY, UTC, Zone, add_months, month_days, zone
from domain.facts import History, Registry, SetUp, Visit
from domain.rulebook import Program
from domain.rulebook import Visit as VisitRule
from domain.spans import AFTER, BEFORE, Span
from domain.tally import AFTER_DEATH, AFTER_ENROLLMENT, AFTER_REVOCATION, BEFORE_CONSENT, BEFORE_VISIT, FACILITY_STAY

Block = tuple[str, int, int]
Run = tuple[int, int, int]
"""An unrevoked run of consents: start and end of when it is in force, and the instant of the consent that began it."""


def site_zone(registry: Registry, site: str, instant: int) -> Zone | None:
    """The zone of a site at an instant, by the version of its UTC date; None while the site is unknown."""
    versions = registry.sites.get(site)
    version = versions.on(UTC.day(instant)) if versions else None
    return zone(version.zone) if version else None


def _local(registry: Registry, site: str, instant: int) -> Zone:
    return site_zone(registry, site, instant) or UTC


def first_visit(visits: Iterable[Visit], rule: VisitRule, practitioner: str, earliest: int, registry: Registry) -> Visit | None:
    """The qualifying visit that started first, on or after the date `earliest` at its own site (ordinal; 0 = any)."""
    anywhere = (earliest + 1 - EPOCH_DAY) * DAY  # by then the date has begun in every zone
    found = [
        v
        for v in visits
        if v.practitioner == practitioner
        and v.kind in rule.kinds
        and _qualifies(v, rule)
        and (v.start >= anywhere or _local(registry, v.site, v.start).day(v.start) >= earliest)
    ]
    if len(found) > 1:
        found.sort(key=lambda v: (v.start, -v.time, v.identity))
    return found[0] if found else None


def _qualifies(visit: Visit, rule: VisitRule) -> bool:
    return (
        (rule.modalities is None or visit.modality in rule.modalities)
        and (rule.settings is None or visit.setting in rule.settings)
        and visit.end - visit.start >= rule.least_seconds
    )


def consent_runs(history: History, program: Program, practitioner: str, local: Zone, visit: Visit | None) -> list[Run]:
    """The runs of consent for a program and practitioner, oldest first (docs/contract.md §3.7).

    One given during `visit` counts from its start.
    """
    name = program.name
    changes = [(c.at, c.given) for c in history.consents if c.program == name and c.practitioner == practitioner]
    changes.sort()
    runs: list[Run] = []
    begun: int | None = None
    start = effective = BEFORE
    for at, given in changes:
        if given and begun is None:
            begun, start = at, max(_counted_from(at, visit) if visit else at, effective)
        elif not given and begun is not None:
            effective = max(local.month_bounds(local.month(at))[1] if program.consent_ends == "month_end" else at, start)
            runs.append((start, effective, begun))
            begun = None
    return runs if begun is None else [*runs, (start, AFTER, begun)]


def _counted_from(at: int, visit: Visit) -> int:
    return visit.start if visit.start <= at < visit.end else at


def consent_blocks(runs: list[Run]) -> list[Block]:
    """Seconds before the first consent, and between a revocation and the next consent."""
    found = []
    reason, since = BEFORE_CONSENT, BEFORE
    for start, end, _ in runs:
        found.append((reason, since, start))
        reason, since = AFTER_REVOCATION, end
    return [*found, (reason, since, AFTER)]


def visit_blocks(history: History, rule: VisitRule, practitioner: str, runs: list[Run], local: Zone, registry: Registry) -> list[Block]:
    """Seconds before the visit that must come first; with a reach-back, asked for each run of consents anew."""
    found: list[Block] = []
    for start, end, begun in runs:
        earliest = add_months(local.day(begun), -rule.within_months) if rule.within_months else 0
        visit = first_visit(history.visits, rule, practitioner, earliest, registry)
        gate = AFTER if visit is None else visit.start if rule.counts_from == "start" else visit.end
        found.append((BEFORE_VISIT, start, min(gate, end)))
    return found


def enrollment_ends(history: History, program: str, practitioner: str) -> list[Span]:
    """Spans from each end of an enrolment to the next start."""
    changes = [(e.at, e.started) for e in history.enrollments if e.program == program and e.practitioner == practitioner]
    changes.sort()
    spans: list[Span] = []
    ended: int | None = None
    for at, started in changes:
        if started and ended is not None:
            spans.append((ended, at))
            ended = None
        elif not started and ended is None:
            ended = at
    return spans if ended is None else [*spans, (ended, AFTER)]


def stay_spans(history: History, kinds: frozenset[str]) -> list[Span]:
    """Facility stays of the kinds that take time away."""
    return [(s.start, AFTER if s.end is None else s.end) for s in history.stays if s.kind in kinds] if kinds else []


def death_spans(history: History) -> list[Span]:
    """Seconds after death; of several reports the latest instant holds."""
    return [(max(d.at for d in history.deaths), AFTER)] if history.deaths else []


def blocks(history: History, program: Program, practitioner: str, local: Zone, month: str, registry: Registry) -> list[Block]:
    """What takes seconds of a program and practitioner away in a month, in the order of docs/contract.md §3.4."""
    low, high = local.month_bounds(month)
    return [block for block in all_blocks(history, program, practitioner, local, registry) if block[1] < high and block[2] > low]


def all_blocks(history: History, program: Program, practitioner: str, local: Zone, registry: Registry) -> list[Block]:
    """What takes seconds of a program and practitioner away at any time; a span may be empty."""
    known, key = history.known(registry), ("blocks", id(program), practitioner, local.name)
    if key not in known:
        known[key] = _all_blocks(history, program, practitioner, local, registry), program  # a program that is held keeps its id
    found: list[Block] = known[key][0]
    return found


def _all_blocks(history: History, program: Program, practitioner: str, local: Zone, registry: Registry) -> list[Block]:
    rule = program.visit
    visit = first_visit(history.visits, rule, practitioner, 0, registry) if rule and program.consent_in_visit else None
    runs = consent_runs(history, program, practitioner, local, visit)
    found = consent_blocks(runs)
    if rule is not None:
        found += visit_blocks(history, rule, practitioner, runs, local, registry)
    if history.enrollments:
        found += [(AFTER_ENROLLMENT, *span) for span in enrollment_ends(history, program.name, practitioner)]
    if history.stays:
        found += [(FACILITY_STAY, *span) for span in stay_spans(history, program.stays)]
    if history.deaths:
        found += [(AFTER_DEATH, *span) for span in death_spans(history)]
    return found


def track_of(history: History, program: Program, practitioner: str, month: str, registry: Registry) -> str | None:
    """The declared track: that of the latest enrolment started before the month's end at the enrolment's site."""
    name, default = program.name, program.default_track
    if default is None:
        return None
    anywhere = (month_days(month)[1] - 1 - EPOCH_DAY) * DAY  # until then the month has ended in no zone
    started = [
        e
        for e in history.enrollments
        if e.started
        and e.program == name
        and e.practitioner == practitioner
        and (e.at < anywhere or e.at < _local(registry, e.site or "", e.at).month_bounds(month)[1])
    ]
    if len(started) > 1:
        started.sort(key=lambda e: (-e.at, -e.time, e.identity))
    return (started[0].track if started else None) or default


def known_set_ups(history: History, program: str, registry: Registry) -> list[SetUp]:
    """Set-ups whose site is known, in the order in which they hold: earliest instant, latest recording, smallest identity."""
    known = [s for s in history.set_ups if s.program == program and site_zone(registry, s.site, s.at) is not None]
    return sorted(known, key=lambda s: (s.at, -s.time, s.identity))
