"""When time of one program and practitioner may count at all: consent, first visit, enrolment, stays, death.

Everything here is told as blocks: for each reason of docs/contract.md §3.4 that depends on the calendar alone, the spans
of seconds it takes away, in the order in which reasons are reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from domain.calendar import UTC, Zone, add_months, zone
from domain.facts import History, Registry, SetUp, Visit
from domain.rulebook import Program
from domain.rulebook import Visit as VisitRule
from domain.spans import AFTER, BEFORE, Span
from domain.tally import AFTER_DEATH, AFTER_ENROLLMENT, AFTER_REVOCATION, BEFORE_CONSENT, BEFORE_VISIT, FACILITY_STAY

Block = tuple[str, list[Span]]


class Run(NamedTuple):
    """An unrevoked run of consents: in force over `[start, end)`, begun by the consent given at `begun`."""

    start: int
    end: int
    begun: int


def site_zone(registry: Registry, site: str, instant: int) -> Zone | None:
    """The zone of a site at an instant, by the version of its UTC date; None while the site is unknown."""
    versions = registry.sites.get(site)
    version = versions.on(UTC.day(instant)) if versions else None
    return zone(version.zone) if version else None


def first_visit(visits: Iterable[Visit], rule: VisitRule, practitioner: str, earliest: int, registry: Registry) -> Visit | None:
    """The qualifying visit that started first, on or after the date `earliest` at its own site (ordinal; 0 = any)."""
    found = [v for v in visits if v.practitioner == practitioner and v.kind in rule.kinds and _qualifies(v, rule)]
    if earliest and found:
        found = [v for v in found if (site_zone(registry, v.site, v.start) or UTC).day(v.start) >= earliest]
    if len(found) > 1:
        return min(found, key=lambda v: (v.start, -v.time, v.identity))
    return found[0] if found else None


def _qualifies(visit: Visit, rule: VisitRule) -> bool:
    return (
        (rule.modalities is None or visit.modality in rule.modalities)
        and (rule.settings is None or visit.setting in rule.settings)
        and visit.end - visit.start >= rule.least_seconds
    )


def consent_runs(history: History, program: Program, practitioner: str, local: Zone, visit: Visit | None) -> list[Run]:
    """The runs of consent for a program and practitioner, oldest first (docs/contract.md §3.7)."""
    name = program.name
    changes = [(c.at, c.given) for c in history.consents if c.program == name and c.practitioner == practitioner]
    changes.sort()
    runs: list[Run] = []
    begun: int | None = None
    start = effective = BEFORE
    for at, given in changes:
        if given and begun is None:
            begun, start = at, max(_counted_from(at, program, visit), effective)
        elif not given and begun is not None:
            effective = max(local.month_bounds(local.month(at))[1] if program.consent_ends == "month_end" else at, start)
            runs.append(Run(start, effective, begun))
            begun = None
    return runs if begun is None else [*runs, Run(start, AFTER, begun)]


def _counted_from(at: int, program: Program, visit: Visit | None) -> int:
    inside = program.consent_in_visit and visit is not None and visit.start <= at < visit.end
    return visit.start if inside and visit is not None else at


def consent_blocks(runs: list[Run]) -> list[Block]:
    """Seconds before the first consent, and between a revocation and the next consent."""
    revoked = [(run.end, later.start) for run, later in pairwise(runs)]
    if runs and runs[-1].end != AFTER:
        revoked.append((runs[-1].end, AFTER))
    return [(BEFORE_CONSENT, [(BEFORE, runs[0].start if runs else AFTER)]), (AFTER_REVOCATION, revoked)]


def visit_block(history: History, rule: VisitRule, practitioner: str, runs: list[Run], local: Zone, registry: Registry) -> Block:
    """Seconds before the visit that must come first; with a reach-back, asked for each run of consents anew."""
    spans: list[Span] = []
    for run in runs:
        earliest = add_months(local.day(run.begun), -rule.within_months) if rule.within_months else 0
        visit = first_visit(history.visits, rule, practitioner, earliest, registry)
        gate = AFTER if visit is None else visit.start if rule.counts_from == "start" else visit.end
        spans.append((run.start, min(gate, run.end)))
    return BEFORE_VISIT, spans


def enrollment_ends(history: History, program: str, practitioner: str) -> list[Span]:
    """Spans from each end of an enrolment to the next start."""
    changes = sorted((e.at, e.started) for e in history.enrollments if e.program == program and e.practitioner == practitioner)
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


def blocks(history: History, program: Program, practitioner: str, local: Zone, registry: Registry) -> list[Block]:
    """All calendar reasons of a program and practitioner, in the order of docs/contract.md §3.4."""
    rule = program.visit
    visit = first_visit(history.visits, rule, practitioner, 0, registry) if rule and program.consent_in_visit else None
    runs = consent_runs(history, program, practitioner, local, visit)
    found = consent_blocks(runs)
    if rule is not None:
        found.append(visit_block(history, rule, practitioner, runs, local, registry))
    if history.enrollments:
        found.append((AFTER_ENROLLMENT, enrollment_ends(history, program.name, practitioner)))
    if history.stays:
        found.append((FACILITY_STAY, stay_spans(history, program.stays)))
    if history.deaths:
        found.append((AFTER_DEATH, death_spans(history)))
    return found


def track_of(history: History, program: Program, practitioner: str, month: str, registry: Registry) -> str | None:
    """The declared track: that of the latest enrolment started before the month's end at the enrolment's site."""
    started = [
        e
        for e in history.enrollments
        if e.started
        and e.program == program.name
        and e.practitioner == practitioner
        and e.at < (site_zone(registry, e.site or "", e.at) or UTC).month_bounds(month)[1]
    ]
    if not started or program.default_track is None:
        return program.default_track
    latest = max(e.at for e in started)
    newest = max(e.time for e in started if e.at == latest)
    return min((e.identity, e.track) for e in started if e.at == latest and e.time == newest)[1] or program.default_track


def known_set_ups(history: History, program: str, registry: Registry) -> list[SetUp]:
    """Set-ups whose site is known, in the order in which they hold: earliest instant, latest recording, smallest identity."""
    known = [s for s in history.set_ups if s.program == program and site_zone(registry, s.site, s.at) is not None]
    return sorted(known, key=lambda s: (s.at, -s.time, s.identity))
