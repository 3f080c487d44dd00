"""Every second of a patient-month counted or excluded, with one reason (docs/contract.md §3.1-§3.6).

Entries are taken in the order in which they win an overlap. Most lie whole inside the month at a site and with a
performer that have one version each, meet no block and touch no other entry; those are decided in a few look-ups.
The others are cut into pieces on which the reasons are asked one after the other; both ways give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from domain.calendar import DAY, EPOCH_DAY, UTC, Zone, month_days, zone
from domain.facts import Entry, History, Person, Registry
from domain.rulebook import DayRules, Program, Rulebook, Track
from domain.spans import Span, carve, clip, split
from domain.standing import Block, blocks, first_visit, track_of

RETRACTED: Final = "retracted"
INFERRED: Final = "inferred_source"
SITE_UNKNOWN: Final = "site_unknown"
PERFORMER_UNKNOWN: Final = "performer_unknown"
ROLE: Final = "performer_role"
NOT_PERSONAL: Final = "not_personal"
BILLED_VISIT: Final = "billed_visit"
DOUBLE_BOOKED: Final = "performer_double_booked"
OVERLAP: Final = "overlap"

MARGIN: Final = 3
"""Days around a month within which time that may fall into it in any zone lies whole."""

REASONS: Final = (
    RETRACTED,
    INFERRED,
    SITE_UNKNOWN,
    PERFORMER_UNKNOWN,
    ROLE,
    NOT_PERSONAL,
    "before_consent",
    "after_revocation",
    "before_initiating_visit",
    "after_enrollment_end",
    "facility_stay",
    "after_death",
    BILLED_VISIT,
    DOUBLE_BOOKED,
    OVERLAP,
)


class Counted(NamedTuple):
    """Seconds of an entry that count, with the zone that gives their local date."""

    start: int
    end: int
    entry: Entry
    zone: Zone


class Excluded(NamedTuple):
    """Seconds of an entry that do not count, and the first reason why."""

    start: int
    end: int
    entry: Entry
    reason: str


class Tally:
    """What one program and practitioner have in the month."""

    __slots__ = ("counted", "excluded", "practitioner", "program", "total", "track")

    def __init__(self, program: str, practitioner: str, track: str | None) -> None:
        self.program = program
        self.practitioner = practitioner
        self.track = track
        self.total = 0
        self.counted: list[Counted] = []
        self.excluded: list[Excluded] = []


class Context(NamedTuple):
    """What holds for entries of one program, practitioner and zone in one month."""

    zone: Zone
    low: int
    high: int
    rules: Track
    plain_roles: frozenset[str]
    personal: bool
    blocks: list[Block]
    tally: Tally | None


def allocate(history: History, month: str, registry: Registry, rulebook: Rulebook) -> list[Tally]:
    """The month's tallies, in order of program and practitioner; each second of each entry is in one row of one of them."""
    return _Allocation(history, month, registry, rulebook).run()


class _Allocation:
    __slots__ = ("active", "billed", "conflicts", "contexts", "first", "history", "last", "month", "registry", "rulebook", "tallies", "taken_until", "tracks")

    def __init__(self, history: History, month: str, registry: Registry, rulebook: Rulebook) -> None:
        self.history = history
        self.month = month
        self.registry = registry
        self.rulebook = rulebook
        first, after = month_days(month)
        self.first, self.last = first - MARGIN, after + MARGIN
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.contexts: dict[tuple[str, str, str, str], Context] = {}
        self.tracks: dict[tuple[str, str, str], str | None] = {}
        self.billed = _billed_visits(history, month)
        self.conflicts = _by_performer(conflict[:3] for conflict in history.conflicts)
        self.active: list[Span] = []
        self.taken_until = 0

    def run(self) -> list[Tally]:
        history = self.history
        entries = [*history.entries, *self._visit_time()] if history.visits else list(history.entries)
        entries.sort()
        watched = {**self.billed, **self.conflicts}
        people = self.registry.people
        quick: dict[tuple[str, str, str], Context | None] = {}
        roles: dict[str, str | None] = {}
        for entry in entries:
            start, _, _, end, program, practitioner, performer, site, source, _, _, dead = entry
            key = (program, practitioner, site)
            if key in quick:
                context = quick[key]
            else:
                context = quick[key] = self._quick_context(program, practitioner, site)
            if performer in roles:
                role = roles[performer]
            else:
                versions = people.get(performer)
                person = versions.during(self.first, self.last) if versions else None
                role = roles[performer] = person.role if person else None
            if (
                context is None
                or role not in context.plain_roles
                or start < context.low
                or end > context.high
                or dead
                or source == "inferred"
                or (context.personal and performer != practitioner)
                or performer in watched
                or (context.blocks and _touches(context.blocks, start, end))
                or start < self.taken_until
            ):
                self._piecewise(entry)
                continue
            self.taken_until = end
            self.active = [(start, end)]
            tally = context.tally
            if tally is not None:
                tally.total += end - start
                tally.counted.append(Counted(start, end, entry, context.zone))
        return self._finished()

    def _finished(self) -> list[Tally]:
        found = [t for t in self.tallies.values() if t.counted or t.excluded]
        for tally in found:
            tally.counted.sort()
        return sorted(found, key=lambda t: (t.program, t.practitioner))

    def _visit_time(self) -> Iterator[Entry]:
        rules = self._rules(self.month)
        for program in rules.programs.values():
            rule = program.visit
            if rule is None or not rule.is_time:
                continue
            for practitioner in sorted({v.practitioner for v in self.history.visits if v.kind in rule.kinds}):
                visit = first_visit(self.history.visits, rule, practitioner, 0, self.registry)
                if visit is not None and not visit.em_billed:
                    yield Entry(
                        visit.start, visit.time, visit.identity, visit.end, program.name, practitioner, practitioner,
                        visit.site, "visit", False, False, False,
                    )  # fmt: skip

    def _rules(self, month: str) -> DayRules:
        return self.rulebook.at(month_days(month)[0])

    def _quick_context(self, program: str, practitioner: str, site: str) -> Context | None:
        versions = self.registry.sites.get(site)
        version = versions.during(self.first, self.last) if versions else None
        return self._context(program, practitioner, zone(version.zone), self.month) if version else None

    def _context(self, program: str, practitioner: str, local: Zone, month: str) -> Context:
        key = (program, practitioner, local.name, month)
        context = self.contexts.get(key)
        if context is None:
            context = self.contexts[key] = self._make_context(program, practitioner, local, month)
        return context

    def _make_context(self, name: str, practitioner: str, local: Zone, month: str) -> Context:
        program = self._rules(month).programs[name]
        track = self._track(program, practitioner, month)
        rules = program.tracks[track]
        low, high = local.month_bounds(month)
        clipped = [(reason, clip(spans, low, high)) for reason, spans in blocks(self.history, program, practitioner, local, self.registry)]
        plain = frozenset() if rules.direct_roles or rules.employments else rules.roles
        tally = self._tally(name, practitioner, track) if month == self.month else None
        return Context(local, low, high, rules, plain, rules.personal, [b for b in clipped if b[1]], tally)

    def _track(self, program: Program, practitioner: str, month: str) -> str | None:
        key = (program.name, practitioner, month)
        if key not in self.tracks:
            self.tracks[key] = track_of(self.history, program, practitioner, month, self.registry)
        return self.tracks[key]

    def _tally(self, program: str, practitioner: str, track: str | None) -> Tally:
        return self.tallies.setdefault((program, practitioner), Tally(program, practitioner, track))

    def _piecewise(self, entry: Entry) -> None:
        for start, end, local in self._placed(entry):
            for low, high, month in _months(start, end, local or UTC):
                context = self._context(entry.program, entry.practitioner, local or UTC, month)
                self._judge(entry, low, high, context, known=local is not None)

    def _placed(self, entry: Entry) -> Iterator[tuple[int, int, Zone | None]]:
        versions = self.registry.sites.get(entry.site)
        if versions is None:
            yield entry.start, entry.end, None
            return
        for start, end in split(entry.start, entry.end, ((day - EPOCH_DAY) * DAY for day in versions.starts)):
            version = versions.on(start // DAY + EPOCH_DAY)
            yield start, end, zone(version.zone) if version else None

    def _judge(self, entry: Entry, start: int, end: int, context: Context, *, known: bool) -> None:
        outright = RETRACTED if entry.dead else INFERRED if entry.source == "inferred" else None if known else SITE_UNKNOWN
        if outright is not None:
            _exclude(context, entry, [(start, end)], outright)
            return
        for low, high, person in self._people(entry.performer, start, end, context.zone):
            refused = _refusal(entry, person, context.rules)
            if refused is not None:
                _exclude(context, entry, [(low, high)], refused)
            else:
                self._claim(entry, self._unblocked(entry, (low, high), context), context)

    def _people(self, performer: str, start: int, end: int, local: Zone) -> Iterator[tuple[int, int, Person | None]]:
        versions = self.registry.people.get(performer)
        if versions is None:
            yield start, end, None
            return
        first, last = local.day(start), local.day(end - 1)
        for low, high in split(start, end, (local.day_start(day) for day in versions.starts if first < day <= last)):
            yield low, high, versions.on(local.day(low))

    def _unblocked(self, entry: Entry, piece: Span, context: Context) -> list[Span]:
        pieces = [piece]
        for reason, spans in (
            *context.blocks,
            (BILLED_VISIT, self.billed.get(entry.performer, ())),
            (DOUBLE_BOOKED, self.conflicts.get(entry.performer, ())),
        ):
            pieces, removed = carve(pieces, spans)
            _exclude(context, entry, removed, reason)
        return pieces

    def _claim(self, entry: Entry, pieces: list[Span], context: Context) -> None:
        self.active = [span for span in self.active if span[1] > entry.start]
        free, taken = carve(pieces, self.active)
        _exclude(context, entry, taken, OVERLAP)
        self.active += free
        for start, end in free:
            self.taken_until = max(self.taken_until, end)
            if context.tally is not None:
                context.tally.total += end - start
                context.tally.counted.append(Counted(start, end, entry, context.zone))


def _billed_visits(history: History, month: str) -> dict[str, list[Span]]:
    """Separately billed visits that may meet the month in any zone, by who held them."""
    first, after = month_days(month)
    low, high = (first - EPOCH_DAY - 2) * DAY, (after - EPOCH_DAY + 2) * DAY
    return _by_performer((v.practitioner, v.start, v.end) for v in history.visits if v.em_billed and v.start < high and v.end > low)


def _by_performer(spans: Iterable[tuple[str, int, int]]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for performer, start, end in spans:
        found.setdefault(performer, []).append((start, end))
    return found


def _touches(blocked: list[Block], start: int, end: int) -> bool:
    return any(low < end and start < high for _, spans in blocked for low, high in spans)


def _months(start: int, end: int, local: Zone) -> Iterator[tuple[int, int, str]]:
    while start < end:
        month = local.month(start)
        stop = min(end, local.month_bounds(month)[1])
        yield start, stop, month
        start = stop


def _refusal(entry: Entry, person: Person | None, rules: Track) -> str | None:
    if person is None:
        return PERFORMER_UNKNOWN
    if person.role not in rules.roles or (person.role in rules.direct_roles and not entry.direct):
        return ROLE
    if rules.employments is not None and person.role not in rules.exempt_roles and person.employment not in rules.employments:
        return ROLE
    return NOT_PERSONAL if rules.personal and entry.performer != entry.practitioner else None


def _exclude(context: Context, entry: Entry, pieces: list[Span], reason: str) -> None:
    if context.tally is not None:
        context.tally.excluded += [Excluded(start, end, entry, reason) for start, end in pieces]
