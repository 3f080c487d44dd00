"""Facts as they are kept: rows in two kinds of document, one a patient, one a patient and calendar month.

Time entries and readings stand in a month's document (in each month they may fall into in any zone), everything that
lasts longer in the patient's. Here too stands what must be decided again when a fact arrives or goes (docs/invariants.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

from domain.calendar import DAY, EPOCH_DAY, month_of, shift_month
from domain.event import Event
from domain.facts import Complexity, Condition, Conflict, Consent, Death, Enrollment, Entry, History, Plan, Reading, SetUp, Stay, Visit

WEST: Final = 12 * 3600
EAST: Final = 14 * 3600
LOOK_BACK: Final = 2 * DAY
MONTHLY: Final = frozenset({"entries", "readings"})
DEVICE_MONTHS: Final = 2
WINDOW: Final = 30 * DAY
EVERY: Final = "*"
ONWARD: Final = "+"
DAYS: Final = "~"
_OPEN: Final = frozenset({EVERY, ONWARD, DAYS})
A_YEAR: Final = 12
FIRST_WINDOW: Final = 62 * DAY
"""By then after a set-up its first window is over, also one that had to wait for the window before it to end."""

Facts = dict[str, list[Sequence[Any]]]
Fact = Any

TYPES: Final[Mapping[str, Any]] = {
    "entries": Entry,
    "visits": Visit,
    "consents": Consent,
    "enrollments": Enrollment,
    "conditions": Condition,
    "plans": Plan,
    "complexities": Complexity,
    "set_ups": SetUp,
    "readings": Reading,
    "stays": Stay,
    "deaths": Death,
}
_IDENTITY: Final = {name: kind._fields.index("identity") for name, kind in TYPES.items()}
TAKEN_OUT: Final = "taken_out"
"""For each kind of fact that was ever taken out of a document, when what last took one out was recorded."""
_TIME: Final = {name: kind._fields.index("time") for name, kind in TYPES.items()} | {TAKEN_OUT: 0}


class Placed(NamedTuple):
    """A patient fact and where it bears: `kind` names its list, `low` and `high` the instants it speaks of.

    `reach` is `span` (the months of those instants), `onward` (these and all later ones), `all`, or a month.
    """

    kind: str
    fact: Fact
    low: int
    high: int
    reach: str


def _time(e: Event) -> Placed:
    d = e.data
    fact = Entry(
        d.start, e.time, e.identity, d.end, d.program, d.practitioner_id, d.performer_id, d.site_id, d.source,
        d.interactive, d.supervision == "direct", False,
    )  # fmt: skip
    return Placed("entries", fact, d.start, d.end, "span")


def _visit(e: Event) -> Placed:
    d = e.data
    fact = Visit(d.start, e.time, e.identity, d.end, d.kind, d.practitioner_id, d.site_id, d.modality, d.setting, d.em_billed)
    return Placed("visits", fact, d.start, d.end, "onward")


def _consent(e: Event, given: bool) -> Placed:
    d = e.data
    return Placed("consents", Consent(d.at, given, d.program, d.practitioner_id, e.time, e.identity), d.at, d.at, "onward")


def _started(e: Event) -> Placed:
    d = e.data
    fact = Enrollment(d.at, True, d.program, d.practitioner_id, d.site_id, d.track, e.time, e.identity)
    return Placed("enrollments", fact, d.at, d.at, "onward")


def _ended(e: Event) -> Placed:
    d = e.data
    fact = Enrollment(d.at, False, d.program, d.practitioner_id, None, None, e.time, e.identity)
    return Placed("enrollments", fact, d.at, d.at, "onward")


def _condition(e: Event) -> Placed:
    d = e.data
    code = d.icd10.replace(".", "").upper()
    return Placed("conditions", Condition(d.category, code, d.onset, d.expected_months, e.time, e.identity), d.at, d.at, "all")


def _plan(e: Event) -> Placed:
    d = e.data
    return Placed("plans", Plan(d.at, d.program, d.practitioner_id, e.time, e.identity), d.at, d.at, "onward")


def _complexity(e: Event) -> Placed:
    d = e.data
    return Placed("complexities", Complexity(d.month, d.practitioner_id, d.level, e.time, e.identity), 0, 0, d.month)


def _set_up(e: Event) -> Placed:
    d = e.data
    return Placed("set_ups", SetUp(d.at, d.program, d.kind, d.practitioner_id, d.site_id, e.time, e.identity), d.at, d.at, "onward")


def _reading(e: Event) -> Placed:
    d = e.data
    return Placed("readings", Reading(d.at, e.identity, d.program, d.kind, e.time), d.at, d.at + 1, "span")


def _stay(e: Event) -> Placed:
    d = e.data
    return Placed("stays", Stay(d.start, d.end, d.kind, e.time, e.identity), d.start, d.start, "onward")


def _death(e: Event) -> Placed:
    """Of several deaths the latest holds: a later one gives months back from the earlier on, so all are looked at."""
    return Placed("deaths", Death(e.data.at, e.time, e.identity), e.data.at, e.data.at, "all")


_PLACES: Final[Mapping[str, Callable[[Event], Placed]]] = {
    "care.time.logged.v1": _time,
    "care.visit.completed.v1": _visit,
    "care.consent.given.v1": lambda e: _consent(e, True),
    "care.consent.revoked.v1": lambda e: _consent(e, False),
    "care.enrollment.started.v1": _started,
    "care.enrollment.ended.v1": _ended,
    "care.condition.recorded.v1": _condition,
    "care.plan.recorded.v1": _plan,
    "care.mdm.recorded.v1": _complexity,
    "care.device.set_up.v1": _set_up,
    "care.device.reading.v1": _reading,
    "care.stay.recorded.v1": _stay,
    "care.patient.died.v1": _death,
}


def place(event: Event) -> Placed | None:
    """The patient fact an event states; None for events about sites, people, months and other events."""
    maker = _PLACES.get(event.type)
    return maker(event) if maker else None


_MOST_SPANS: Final = 16_384
_SPANS: Final[dict[int, tuple[str, ...]]] = {}
"""Months of the spans asked for lately, by first day and length: a number is found at half the cost of a cache of calls."""
_LONG: Final = 1_024


def months_of(low: int, high: int) -> tuple[str, ...]:
    """The local months that instants in `[low, high)` may fall into in any zone."""
    first, last = (low - WEST) // DAY + EPOCH_DAY, (high - 1 + EAST) // DAY + EPOCH_DAY
    if not 0 <= last - first < _LONG:
        return _months(first, last)
    span = first * _LONG + last - first
    months = _SPANS.get(span)
    if months is None:
        if len(_SPANS) >= _MOST_SPANS:
            _SPANS.clear()
        months = _SPANS[span] = _months(first, last)
    return months


def _months(first_day: int, last_day: int) -> tuple[str, ...]:
    months = [month_of(first_day)]
    while months[-1] < month_of(last_day):
        months.append(shift_month(months[-1], 1))
    return tuple(months)


def reading_months(patient: Facts, month: str) -> set[str]:
    """Earlier months whose readings bear on a month: those a window ending in it may begin in and, where set-up is due once for
    several kinds of device, those of every kind's first window."""
    set_ups = patient.get("set_ups", ())
    if not set_ups:
        return set()
    found = {shift_month(month, -by) for by in range(1, DEVICE_MONTHS + 1)}
    if _several_kinds(patient):
        found.update(m for row in set_ups for m in months_of(row[0], row[0] + FIRST_WINDOW) if m < month)
    return found


def with_windows(months: Iterable[str]) -> set[str]:
    """The months and those in which a window of their readings may still end."""
    return {shift_month(month, by) for month in months for by in range(DEVICE_MONTHS + 1)}


def _several_kinds(patient: Facts) -> bool:
    return len({(row[1], row[2]) for row in patient.get("set_ups", ())}) > 1


def to_decide(placed: Placed, months: tuple[str, ...]) -> tuple[str, ...]:
    """Marks of the months to decide again when the fact arrives or goes; `months` are those it may fall into.

    A mark is a month, a month and `ONWARD` or `DAYS`, or `EVERY`. It says nothing of the patient's other facts: those that are
    still on their way when the mark is set are on file when `spelled` tells its months.
    """
    if placed.kind == "readings":
        return tuple([month + DAYS for month in months_of(placed.low, placed.high + WINDOW)])
    if placed.reach == "span":
        return months
    if placed.reach == "all":
        return (EVERY,)
    if placed.reach != "onward":
        return (placed.reach,)
    onward = month_of((placed.low - LOOK_BACK) // DAY + EPOCH_DAY) + ONWARD
    return (onward, *months) if placed.kind == "visits" else (onward,)


def spelled(mark: str, known: set[str], patient: Facts) -> set[str]:
    """The months a mark stands for; `known` are those there is anything of. Without a device no reading matters."""
    if mark[-1] not in _OPEN:
        return {mark}
    devices, first = bool(patient.get("set_ups")), mark[:-1]
    if mark[-1] == DAYS and not _several_kinds(patient):
        return {first} if devices else set()
    return {month for month in (with_windows(known) if devices else known) if month >= first}


def weight(mark: str) -> int:
    """About how many months a mark stands for, told without looking at the patient: a year for those that stand for several."""
    return A_YEAR if mark.endswith((EVERY, ONWARD, DAYS)) else 1


def add(facts: Facts, kind: str, fact: Fact) -> None:
    """Add a fact's row to a document."""
    facts.setdefault(kind, []).append(tuple(fact))


def remove(facts: Facts, kind: str, identity: str) -> None:
    """Take a fact out of a document; time stays, marked dead, since it is explained as retracted."""
    at, rows = _IDENTITY[kind], facts.get(kind, [])
    if kind == "entries":
        facts[kind] = [(*row[:-1], True) if row[at] == identity else row for row in rows]
    else:
        facts[kind] = [row for row in rows if row[at] != identity]


def history(patient: Facts, month: Facts, earlier: Sequence[Facts], conflicts: Sequence[Conflict]) -> History:
    """The facts that bear on one month: the patient's own, the month's, and the readings of the months before it.

    A reading near a month's edge stands in two documents; it is twice in the list and changes nothing by that.
    """
    lasting: dict[str, Any] = {name: made(TYPES[name], rows) for name, rows in patient.items() if name in TYPES}
    found = History(**lasting)
    found.entries = made(Entry, month.get("entries", ()))
    if found.set_ups:
        found.readings = [reading for facts in (*earlier, month) for reading in made(Reading, facts.get("readings", ()))]
    found.conflicts = conflicts
    return found


def made(kind: Any, rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Facts of rows that `add` stored; without a call of Python for each, since a month is taken apart as often as it is decided."""
    return list(map(tuple.__new__, repeat(kind), rows))


def note_taken_out(facts: Facts, kind: str, time: int) -> None:
    """Remember when a fact of the kind was last taken out of a document: what is decided then rests on that too."""
    times = {name: latest for latest, name in facts.get(TAKEN_OUT, ())}
    times[kind] = max(time, times.get(kind, 0))
    facts[TAKEN_OUT] = [(times[name], name) for name in sorted(times)]


def only_readings(month: Facts) -> Facts:
    """What of a month's document bears on a later one."""
    return {"readings": month.get("readings", []), TAKEN_OUT: [row for row in month.get(TAKEN_OUT, ()) if row[1] == "readings"]}


def latest_time(*documents: Facts) -> int:
    """The greatest recording time among the facts of documents, and of what took facts out; 0 where there is none."""
    latest = 0
    for facts in documents:
        for name, rows in facts.items():
            if rows and name in _TIME:
                latest = max(latest, *map(itemgetter(_TIME[name]), rows))
    return latest
