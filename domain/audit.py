"""A patient audited: what is stored against what the events come to, every line of every month decided anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domain.decide import decide
from domain.facts import Registry
from domain.histories import Histories
from domain.holding import Holding, Json, Kept
from domain.lines import CLOSED, Line
from domain.records import Facts, with_windows
from domain.recount import Recount
from domain.replay import Replay
from domain.roster import Rosters
from domain.rulebook import Rulebook
from domain.settlement import GONE, PatientMonth, Scope, line_id, line_row, settle

Document = dict[str, Any]
_OPEN: Final = (0, 0, None, 0, 0)
"""Figures of a close and of adjustments where there was none."""


class Expected(NamedTuple):
    """What a tenant's patients are judged by: `at` gives the rules of a month, `stands` are closes that something named, each with what
    did."""

    at: Callable[[str], Rulebook]
    registry: Registry
    closures: Mapping[str, list[str | None]]
    rosters: Rosters
    stands: Sequence[tuple[str, str]]
    json: Json


def audited(tenant: str, name: str, count: Recount, held: Holding, expected: Expected) -> list[str]:
    """All differences of a patient."""
    found = [f"{tenant}: {count.wrong} events about {name} are not as they were accepted"] if count.wrong else list[str]()
    replay = Replay(tenant, name, held.lines, held.months, expected.stands if name == tenant else (), expected.json)
    replay.run(held.sent)
    found += _facts(tenant, name, count, held, replay.touched, expected.json)
    found += replay.differences(held.lines, held.months)
    histories = Histories(count.lasting, count.months, held.conflicts)
    found += _roster(tenant, name, histories, held, expected, replay.rosters)
    found += _lines(PatientMonth(tenant, name, ""), count, held, expected, histories)
    return found


def _facts(tenant: str, name: str, count: Recount, held: Holding, told: set[str], json: Json) -> Iterator[str]:
    if not same(held.facts, count.lasting, json):
        yield f"{tenant}: the stored facts of patient {name} differ from the events"
    if held.references != count.subjects:
        yield f"{tenant}: the sites and people that patient {name} is stored to refer to differ from the events"
    certain = count.months.keys() | count.known | told
    for month in sorted((certain - held.known) | (held.known - certain - count.possible)):
        yield f"{tenant}: month {month} is stored wrongly among the months of patient {name}"
    for month in sorted(count.months.keys() | held.months.keys()):
        stored, counted = held.months[month].facts if month in held.months else b"{}", count.months.get(month, {})
        if not _is(stored, counted, json):
            yield f"{tenant}: the stored entries of patient {name} in {month} differ from the events"


def _is(stored: Any, counted: Facts, json: Json) -> bool:
    """Whether a month's document is as counted; which kind of fact came first into it does not matter."""
    if len(counted) > 1 and stored == json.dumps(dict(sorted(counted.items()))):
        return True
    return bool(stored == json.dumps(counted)) or same(json.parsed(stored), counted, json)


def same(stored: Document, counted: Document, json: Json) -> bool:
    """Whether two documents have the same rows, in whatever order."""
    if stored == counted:
        return True
    kinds = {kind for facts in (stored, counted) for kind, rows in facts.items() if rows}
    try:
        return all(_rows(stored, kind, json) == _rows(counted, kind, json) for kind in kinds)
    except TypeError:
        return False


def _rows(facts: Document, kind: str, json: Json) -> Counter[bytes]:
    return Counter(map(json.dumps, facts.get(kind, ())))


def _roster(tenant: str, name: str, histories: Histories, held: Holding, expected: Expected, sent: Sequence[str]) -> Iterator[str]:
    """What was told of the patient's programs last is what the facts come to, and as many times as is remembered."""
    data = expected.rosters.of(tenant, name, histories.lasting(), expected.registry)
    mark = expected.json.mark(data) if data["programs"] or sent else None
    if (sent[-1] if sent else None, len(sent)) != (mark, held.roster.get("steps", 0)) or held.roster.get("mark") != mark:
        yield f"{tenant}: the roster of patient {name} is not what the events come to"


def _lines(one: PatientMonth, count: Recount, held: Holding, expected: Expected, histories: Histories) -> Iterator[str]:
    """Deciding each month anew must change nothing."""
    months: set[str] = {*held.known, *count.months, *count.known, *held.lines}
    if count.lasting.get("set_ups"):
        months |= with_windows(months)
    for identifier in held.misplaced:
        yield f"{one.tenant}: line {identifier} of patient {one.patient} is kept under another month than its own"
    for month in sorted(months):
        here, stored = PatientMonth(one.tenant, one.patient, month), held.lines.get(month) or {}
        rulebook = expected.at(month)
        lines = decide(histories.of(month), month, expected.registry, rulebook).lines
        for name in sorted(_differing(here, stored, lines, expected.closures.get(month, ()), rulebook.id)):
            yield f"{one.tenant}: line {name} of patient {one.patient} in {month} is not what the events come to"


def _differing(month: PatientMonth, stored: Kept, lines: list[Line], sites: Collection[str | None], rule_set: str) -> set[str]:
    """The ids of the lines that are not as decided; all where a row is none."""
    try:
        if not sites and _unchanged(month, stored, lines, rule_set):
            return set()
        return _changed(month, stored, lines, sites, rule_set)
    except (LookupError, TypeError, ValueError):
        return {kept.line_id for kept in stored.values()}


def _unchanged(month: PatientMonth, stored: Kept, lines: list[Line], rule_set: str) -> bool:
    """Whether the lines of a month that no close binds stand as decided: the usual case, told without settling it."""
    left = stored.copy()
    for line in lines:
        kept = left.pop(line.key, None)
        if kept is None or kept[2] != line.status or kept[5:] != _OPEN:
            return False
        identifier = line_id(month, line.key)
        if identifier != kept[0] or kept[4] != line_row(month, identifier, line, kept[3], rule_set):
            return False
    return all(kept[2] == GONE and kept[5:] == _OPEN and kept[0] == line_id(month, kept[1]) for kept in left.values())


def _changed(month: PatientMonth, stored: Kept, lines: Iterable[Line], sites: Collection[str | None], rule_set: str) -> set[str]:
    """The ids of the lines that settling anew would change, or whose figures are not their own."""
    scope = Scope.of(sites)
    found = {kept.line_id for kept in stored.values() if kept.line_id != line_id(month, kept.key) or _untrue(kept)}
    return found | {kept.line_id for kept in settle(month, stored, lines, scope, rule_set, {}).changed}


def _untrue(kept: Any) -> bool:
    """Whether figures of a close or an adjustment stand where there was none, or the row is another line's."""
    if kept.status == CLOSED:
        return bool(kept.row.get("line_id") != kept.line_id or kept.row.get("status") != CLOSED)
    adjusted = kept.closed_site is not None
    return bool(kept.closed_units or kept.closed_cents or ((kept.adjusted_units or kept.adjusted_cents) and not adjusted))
