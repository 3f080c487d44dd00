"""Every second of a patient-month counted or excluded, with one reason (docs/contract.md §3.1-§3.6).

Entries are taken in the order in which they win an overlap. Most lie whole inside the month at a site and with a
performer that have one version each, meet nothing that takes time away and touch no other entry; those need a few
look-ups. The others are cut into pieces on which the reasons are asked one after the other; both ways give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from domain.calendar import DAY, EPOCH_DAY, UTC, Zone, month_days, zone
from domain.context import Context, Contexts
from domain.facts import Entry, History, Person, Registry, Site, Visit
from domain.rulebook import Rulebook, Track
from domain.spans import AFTER, BEFORE, Span, carve, split
from domain.standing import Block, first_visit
from domain.tally import BILLED_VISIT, DOUBLE_BOOKED, INFERRED, NOT_PERSONAL, OVERLAP, PERFORMER_UNKNOWN, RETRACTED, ROLE, SITE_UNKNOWN

from domain.tally import Counted, Excluded, Tally  # isort: skip

MARGIN: Final = 3
"""Days around a month within which time that may fall into it in any zone lies whole."""


Lane = tuple[int, int, list[Block], list[Counted], list[Excluded], Zone, Context, str | None]
"""Time of one program, practitioner, performer and site: what lies within `[low, high)` and meets none of the blocks counts, unless its
seconds are taken; where there is a reason in the last place, none of it does. The two lists are the tally's own. A bare tuple, since it is
taken apart once for each entry."""


def allocate(history: History, month: str, registry: Registry, rulebook: Rulebook) -> list[Tally]:
    """The month's tallies, in order of program and practitioner; each second of each entry is in one row of one of them."""
    return _Allocation(history, month, registry, rulebook).run()


class _Allocation:
    """Seconds are taken by the first entry that claims them: all of `[since, until)`, none after it, before it those of `active`."""

    __slots__ = (
        "active", "billed", "bounds", "conflicts", "contexts", "first", "history", "last", "month", "near", "registry", "since", "until",
    )  # fmt: skip

    def __init__(self, history: History, month: str, registry: Registry, rulebook: Rulebook) -> None:
        self.history = history
        self.month = month
        self.registry = registry
        first, after = month_days(month)
        self.first, self.last = first - MARGIN, after + MARGIN
        self.contexts = Contexts(history, month, registry, rulebook)
        self.near = self._near_visits()
        self.billed = _by_performer(BILLED_VISIT, ((v.practitioner, v.start, v.end) for v in self.near if v.em_billed)) if self.near else {}
        self.conflicts = _by_performer(DOUBLE_BOOKED, (conflict[:3] for conflict in history.conflicts)) if history.conflicts else {}
        self.bounds: set[Span | None] | None = None
        self.active: list[Span] = []
        self.since = self.until = BEFORE

    def run(self) -> list[Tally]:
        lanes: dict[tuple[str, str, str, str], Lane] = {}
        for entry in self._entries():
            start, _, _, end, program, practitioner, performer, site, source, _, _, dead = entry
            lane = lanes.get(key := (program, practitioner, performer, site))
            if lane is None:
                lane = lanes[key] = self._lane(program, practitioner, performer, site)
            low, high, blocks, counted, excluded, local, context, refused = lane
            if start < low or end > high:
                self._beyond(entry, low, high)
            elif dead or refused or source == "inferred":
                excluded.append(Excluded(start, end, entry, RETRACTED if dead else INFERRED if source == "inferred" else refused or ""))
            elif blocks and _meets(blocks, start, end):
                self._claim(entry, _unblocked(entry, (start, end), blocks, context), context)
            elif start >= self.until:
                self.since, self.until = start, end
                counted.append((start, end, entry, local))
            elif start >= self.since:
                self._follow(entry, lane)
            else:
                self._claim(entry, [(start, end)], context)
        return self._finished()

    def _beyond(self, entry: Entry, low: int, high: int) -> None:
        """Time that is not whole within its lane. Where all sites share the month's bounds, what is whole outside bears on nothing."""
        if (low > high or (entry.start < high and entry.end > low)) or not self._one_calendar():
            self._piecewise(entry)

    def _one_calendar(self) -> bool:
        """Whether the month has the same bounds at all sites where the patient's time was."""
        if self.bounds is None:
            sites = {entry.site for entry in self.history.entries} | {visit.site for visit in self.near}
            places = map(self._place, sites)
            self.bounds = {zone(place.zone).month_bounds(self.month) if place else None for place in places}
        return len(self.bounds) == 1 and None not in self.bounds

    def _finished(self) -> list[Tally]:
        tallies = self.contexts.tallies
        found = [tally for key in sorted(tallies) if (tally := tallies[key]).counted or tally.excluded]
        for tally in found:
            tally.finish()
        return found

    def _entries(self) -> list[Entry]:
        """All time in the order in which it wins an overlap: earliest start, earliest recording, smallest identity."""
        return sorted([*self.history.entries, *self._visit_time()] if self.near else self.history.entries)

    def _near_visits(self) -> list[Visit]:
        low, high = (self.first - EPOCH_DAY) * DAY, (self.last - EPOCH_DAY) * DAY
        return [v for v in self.history.visits if v.start < high and v.end > low]

    def _visit_time(self) -> Iterator[Entry]:
        """First visits that count as time of a program themselves."""
        for program in self.contexts.rules.programs.values():
            rule = program.visit
            if rule is None or not rule.is_time:
                continue
            for practitioner in sorted({v.practitioner for v in self.history.visits if v.kind in rule.kinds}):
                visit = first_visit(self.history.visits, rule, practitioner, 0, self.registry)
                if visit is not None and not visit.em_billed:
                    yield _as_entry(visit, program.name)

    def _place(self, site: str) -> Site | None:
        """The site's version that holds around the whole month, if one does."""
        versions = self.registry.sites.get(site)
        return versions.during(self.first, self.last) if versions else None

    def _lane(self, program: str, practitioner: str, performer: str, site: str) -> Lane:
        """The lane of such entries; one that takes nothing where the answer depends on the entry's date or more."""
        place, people = self._place(site), self.registry.people.get(performer)
        person = people.during(self.first, self.last) if people else None
        context = self.contexts.get(program, practitioner, zone(place.zone) if place else UTC, self.month)
        rules, tally = context.rules, context.tally
        if place is None or person is None or tally is None or person.role in rules.direct_roles:
            return AFTER, BEFORE, [], [], [], context.zone, context, None
        refused = _refusal(person, rules, own=performer == practitioner, direct=False)
        blocks = [*context.blocks, *self.billed.get(performer, ()), *self.conflicts.get(performer, ())]
        return context.low, context.high, blocks, tally.counted, tally.excluded, context.zone, context, refused

    def _piecewise(self, entry: Entry) -> None:
        for start, end, local in self._placed(entry):
            for low, high, month in _months(start, end, local or UTC):
                context = self.contexts.get(entry.program, entry.practitioner, local or UTC, month)
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
            refused = _refusal(person, context.rules, own=entry.performer == entry.practitioner, direct=entry.direct)
            if refused is not None:
                _exclude(context, entry, [(low, high)], refused)
                continue
            blocks = [*context.blocks, *self.billed.get(entry.performer, ()), *self.conflicts.get(entry.performer, ())]
            self._claim(entry, _unblocked(entry, (low, high), blocks, context), context)

    def _people(self, performer: str, start: int, end: int, local: Zone) -> Iterator[tuple[int, int, Person | None]]:
        versions = self.registry.people.get(performer)
        if versions is None:
            yield start, end, None
            return
        first, last = local.day(start), local.day(end - 1)
        for low, high in split(start, end, (local.day_start(day) for day in versions.starts if first < day <= last)):
            yield low, high, versions.on(local.day(low))

    def _follow(self, entry: Entry, lane: Lane) -> None:
        """Time of an open lane that begins in `[since, until)`: only what goes on after it counts."""
        _, _, _, counted, excluded, local, context, _ = lane
        start, end, until = entry.start, entry.end, self.until
        excluded.append(Excluded(start, min(end, until), entry, OVERLAP))
        if end > until:
            if counted and counted[-1][2].start == start and context.tally is not None:
                context.tally.cut = True
            counted.append((until, end, entry, local))
            self.until = end

    def _claim(self, entry: Entry, pieces: list[Span], context: Context) -> None:
        if not pieces:
            return
        if self.since < self.until:
            self.active.append((self.since, self.until))
        self.active = [span for span in self.active if span[1] > entry.start]
        free, taken = carve(pieces, self.active)
        _exclude(context, entry, taken, OVERLAP)
        self.active += free
        for start, end in free:
            self.until = max(self.until, end)
            if context.tally is not None:
                context.tally.cut = True
                context.tally.counted.append((start, end, entry, context.zone))
        self.since = self.until


def _as_entry(visit: Visit, program: str) -> Entry:
    return Entry(
        visit.start, visit.time, visit.identity, visit.end, program, visit.practitioner, visit.practitioner, visit.site,
        "visit", False, False, False,
    )  # fmt: skip


def _by_performer(reason: str, spans: Iterable[tuple[str, int, int]]) -> dict[str, list[Block]]:
    found: dict[str, list[Block]] = {}
    for performer, start, end in spans:
        found.setdefault(performer, []).append((reason, start, end))
    return found


def _meets(blocks: list[Block], start: int, end: int) -> bool:
    for _, low, high in blocks:  # noqa: SIM110 - asked of each entry of a month with blocks: a generator would cost as much as the rest
        if low < end and start < high:
            return True
    return False


def _unblocked(entry: Entry, piece: Span, blocks: list[Block], context: Context) -> list[Span]:
    """What the blocks leave of a piece; each second they take away has the reason of the first that does."""
    pieces = [piece]
    for reason, start, end in blocks:
        if start < piece[1] and piece[0] < end:
            pieces, removed = carve(pieces, [(start, end)])
            _exclude(context, entry, removed, reason)
    return pieces


def _months(start: int, end: int, local: Zone) -> Iterator[tuple[int, int, str]]:
    while start < end:
        month = local.month(start)
        stop = min(end, local.month_bounds(month)[1])
        yield start, stop, month
        start = stop


def _refusal(person: Person | None, rules: Track, *, own: bool, direct: bool) -> str | None:
    if person is None:
        return PERFORMER_UNKNOWN
    if person.role not in rules.roles or (person.role in rules.direct_roles and not direct):
        return ROLE
    if rules.employments is not None and person.role not in rules.exempt_roles and person.employment not in rules.employments:
        return ROLE
    return NOT_PERSONAL if rules.personal and not own else None


def _exclude(context: Context, entry: Entry, pieces: list[Span], reason: str) -> None:
    if context.tally is not None and pieces:
        context.tally.excluded += [Excluded(start, end, entry, reason) for start, end in pieces]
