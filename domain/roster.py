"""Who is in which program: what a patient's lasting facts say of each program and practitioner, whatever the month.

It says when time may count before any is logged: the same spans that take logged seconds away (`domain.standing`), and
what a month without a counted second would still ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

from domain.calendar import UTC, Zone, add_months, month_days, month_of, shift_month, utc_text, zone
from domain.facts import Enrollment, History, Registry
from domain.lines import next_code, unmet
from domain.records import months_of
from domain.rulebook import Program, Rulebook
from domain.settlement import Row
from domain.spans import AFTER, BEFORE, Span, carve, clip
from domain.standing import all_blocks, first_visit, site_zone, track_of
from domain.tally import AFTER_REVOCATION, BEFORE_CONSENT, BEFORE_VISIT, REASONS, SITE_UNKNOWN, Tally

ROSTER: Final = "care.roster.changed.v1"
EARLIEST: Final = date(2000, 1, 1).toordinal()
LATEST: Final = date(2101, 1, 1).toordinal()
"""Within these dates lie all instants that are taken in (docs/contract.md §1); those of conditions need not."""

Dated = tuple[int, Program]
"""A program as its rules stand for the months from one that begins on a date (ordinal) on."""


class Terms(NamedTuple):
    """A program over all months: what opens it for time, wherever that changes (`gates`), and the months from which any value does.

    `onsets` are the ages of a condition, in months, that a requirement of it asks for.
    """

    gates: Sequence[Dated]
    months: Sequence[str]
    onsets: frozenset[int]


class Stretch(NamedTuple):
    """One stretch of an enrolment, at one site and track, over `[start, end)`."""

    start: int
    end: int
    site: str | None
    track: str | None


class Rosters:
    """Rosters under one rule set; what it says of a program over the months is found once."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._terms: dict[str, Terms] = {}

    def of(self, tenant: str, patient: str, history: History, registry: Registry) -> Row:
        """The data of a roster event: a pure function of the patient's lasting facts, the registrations and the rules.

        Each program and practitioner of a consent or an enrolment has a row (docs/outputs.md, `care.roster.changed.v1`).
        """
        sides = {(c.program, c.practitioner) for c in history.consents} | {(e.program, e.practitioner) for e in history.enrollments}
        rows = [_Side(*side, history, registry, self.rulebook, self.terms(side[0])).row() for side in sorted(sides)]
        return {"tenant": tenant, "patient_id": patient, "programs": rows}

    def terms(self, name: str) -> Terms:
        """What the rule set says of a program from when on."""
        if name not in self._terms:
            dated = [(first, self.rulebook.at(first).programs[name]) for first in map(_month_begin, self.rulebook.starts)]
            asked = (r.onset_months for _, p in dated for track in p.tracks.values() for r in track.requirements)
            months = [month_of(first) for first, _ in _changes(dated, lambda program: program)]
            self._terms[name] = Terms(_changes(dated, _gates), months, frozenset(n for n in asked if n))
        return self._terms[name]


def _month_begin(day: int) -> int:
    """The first day of the first month that begins on the date or later, as far as there is anything to decide."""
    first, after = month_days(month_of(max(day, EARLIEST)))
    return first if first >= day else after


def _gates(program: Program) -> object:
    return program.consent_ends, program.consent_in_visit, program.visit, program.stays


def _changes(dated: Iterable[Dated], told: Callable[[Program], object]) -> list[Dated]:
    found: list[Dated] = []
    for one in dated:
        if not found or told(found[-1][1]) != told(one[1]):
            found.append(one)
    return found


class _Side:
    """One program and practitioner of a patient."""

    __slots__ = ("enrollments", "history", "nothing", "practitioner", "program", "registry", "rulebook", "terms")

    def __init__(self, program: str, practitioner: str, history: History, registry: Registry, rulebook: Rulebook, terms: Terms) -> None:
        self.program = program
        self.practitioner = practitioner
        self.history = history
        self.registry = registry
        self.rulebook = rulebook
        self.terms = terms
        self.nothing = Tally(program, practitioner, None)
        self.enrollments = [e for e in history.enrollments if e.program == program and e.practitioner == practitioner]

    def row(self) -> Row:
        enrolled = stretches(self.enrollments)
        instants = [c.at for c in self.history.consents if c.program == self.program and c.practitioner == self.practitioner]
        instants += [e.at for e in self.enrollments]
        site = self._site(enrolled)
        local = self._zone(site, max(instants))
        closed = self._closed(local or UTC)
        consented = _between(closed.get(BEFORE_CONSENT, ()), closed.get(AFTER_REVOCATION, ()))
        if site is not None and local is None:
            closed = {SITE_UNKNOWN: [(BEFORE, AFTER)], **closed}
        return {
            "program": self.program,
            "practitioner_id": self.practitioner,
            "site_id": site,
            "zone": local.name if local else None,
            "enrolled": [{"site_id": one.site, "track": one.track, **_told(one[:2])} for one in enrolled],
            "consented": [_told(span) for span in consented],
            "active": [_told(span) for span in self._active(enrolled, consented)],
            "closed": [{"reason": reason, **_told(span)} for reason, spans in closed.items() for span in spans],
            "months": self._months(local or UTC, min(instants)),
        }

    def _site(self, enrolled: Sequence[Stretch]) -> str | None:
        """Where the side is: the site of its last enrolment; without one, of the practitioner's last visit, or of a set-up."""
        if enrolled:
            return enrolled[-1].site
        visits = [(v.start, v.time, v.identity, v.site) for v in self.history.visits if v.practitioner == self.practitioner]
        set_ups = [
            (s.at, s.time, s.identity, s.site)
            for s in self.history.set_ups
            if s.program == self.program and s.practitioner == self.practitioner
        ]
        found = visits or set_ups
        return max(found)[3] if found else None

    def _zone(self, site: str | None, instant: int) -> Zone | None:
        """The site's zone at the side's last change; of a site that is known only from later on, the first it has."""
        if site is None or site not in self.registry.sites:
            return None
        return site_zone(self.registry, site, instant) or zone(self.registry.sites[site].values[0].zone)

    def _active(self, enrolled: Sequence[Stretch], consented: Sequence[Span]) -> list[Span]:
        """When the patient is looked after: enrolled, and before any enrolment event while a consent is in force; until death."""
        first = min((e.at for e in self.enrollments), default=AFTER)
        died = max((d.at for d in self.history.deaths), default=AFTER)
        return _joined(clip([*clip(consented, BEFORE, first), *(one[:2] for one in enrolled)], BEFORE, died))

    def _closed(self, local: Zone) -> dict[str, list[Span]]:
        """Spans in which no time counts, whoever does the work, by reason in the order of docs/contract.md §3.4."""
        found: dict[str, list[Span]] = {}
        begins = [BEFORE, *(local.day_start(first) for first, _ in self.terms.gates[1:]), AFTER]
        for (_, program), low, high in zip(self.terms.gates, begins, begins[1:], strict=False):
            if self._no_visit(program):
                found.setdefault(BEFORE_VISIT, []).append((low, high))
            for reason, start, end in all_blocks(self.history, program, self.practitioner, local, self.registry):
                found.setdefault(reason, []).extend(clip([(start, end)], low, high))
        return {reason: _joined(found[reason]) for reason in sorted(found, key=REASONS.index) if found[reason]}

    def _no_visit(self, program: Program) -> bool:
        """Whether none is on file that any consent could begin with; told without a consent too."""
        rule = program.visit
        return rule is not None and first_visit(self.history.visits, rule, self.practitioner, 0, self.registry) is None

    def _months(self, local: Zone, first: int) -> list[Row]:
        """What a month without a counted second asks for; each row holds from its month to the next row's."""
        found: list[Row] = []
        for month in self._turns(first):
            told = {"from": month, **self._month(month, local)}
            if not found or found[-1] != {**told, "from": found[-1]["from"]}:
                found.append(told)
        return found

    def _month(self, month: str, local: Zone) -> Row:
        """Requirements are judged on the month's last day: what is unmet then is missing all month."""
        start, after = month_days(month)
        program = self.rulebook.at(start).programs[self.program]
        name = track_of(self.history, program, self.practitioner, month, self.registry) if program.default_track else None
        track = program.tracks[name]
        code = next_code(track, 0)
        missing = unmet(self.history, track, self.nothing, month, local, after - 1)
        return {"track": name, "next": {"code": code.code, "seconds_needed": code.seconds} if code else None, "unmet": list(missing)}

    def _turns(self, first: int) -> list[str]:
        """The first month there is anything of, and later ones in which what a month asks for may change."""
        history, begin = self.history, months_of(first, first + 1)[0]
        instants = [e.at for e in self.enrollments if e.started]
        instants += [p.at for p in history.plans if p.program == self.program and p.practitioner == self.practitioner]
        months = [*self.terms.months, *(month for at in instants for month in months_of(at, at + 1))]
        for age in self.terms.onsets:
            days = [add_months(c.onset, age) for c in history.conditions if c.onset is not None]
            months += [month_of(day) for day in days if EARLIEST <= day < LATEST]
        for level in history.complexities:
            months += [level.month, shift_month(level.month, 1)]
        return [begin, *sorted({month for month in months if month > begin})]


def stretches(enrollments: Iterable[Enrollment]) -> list[Stretch]:
    """Enrolments of one program and practitioner from start to end; a start while one runs goes on at its site and track.

    Of starts at one instant the one recorded last holds, then the smallest identity; an end there comes first.
    """
    found: list[Stretch] = []
    running: Enrollment | None = None
    changes = sorted(enrollments, key=lambda e: e.identity, reverse=True)
    for change in sorted(changes, key=lambda e: (e.at, e.started, e.time)):
        if running is not None:
            found.append(Stretch(running.at, change.at, running.site, running.track))
        running = change if change.started else None
    if running is not None:
        found.append(Stretch(running.at, AFTER, running.site, running.track))
    return [one for one in found if one.start < one.end]


def _joined(spans: list[Span]) -> list[Span]:
    """The spans in order of time, those that touch or overlap as one."""
    if len(spans) < 2:
        return spans
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _between(*spans: Iterable[Span]) -> list[Span]:
    """What the spans leave of all time."""
    return carve([(BEFORE, AFTER)], (span for some in spans for span in some))[0]


def _told(span: Span) -> Row:
    start, end = span
    return {"from": None if start == BEFORE else utc_text(start), "until": None if end == AFTER else utc_text(end)}
