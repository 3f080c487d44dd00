"""Patients audited: what is stored of them against what the events come to, every line of every month decided anew."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from domain.decide import decide
from domain.histories import Histories
from domain.lines import CLOSED, Key, Line
from domain.records import Facts, with_windows
from domain.recount import Recount
from domain.settlement import GONE, PatientMonth, Scope, Stored, line_id, line_row, settle
from domain.sums import Sums
from ledger.holdings import Holding, Holdings, parsed
from ledger.outbox import mark_of
from ledger.recount import Expectation, recount, same
from ledger.replay import Replay


class Found(NamedTuple):
    """What is found of some patients or of a table: differences, how many rows were seen of each table, and each patient's bookings: the
    sum of those that are stored, or less those that the events come to; `sums` are those of the events found, by tenant."""

    differences: list[str]
    seen: Counter[str]
    booked: Mapping[str, int]
    sums: Mapping[str, tuple[int, int]]


def audit(
    connection: Connection, tenant: str, subjects: Sequence[str], expected: Expectation, decisions: Mapping[str, array[int]]
) -> Found:
    """What is found of some subjects of a tenant. `decisions` are the numbers of the outbox rows about each key."""
    sums = Sums()
    counts = recount(connection, tenant, subjects, expected, sums)
    holdings = Holdings(connection, tenant, subjects)
    holdings.load((f"{tenant}/{subject}/{month}" for subject, count in counts.items() for month in count.months), decisions)
    found = [
        difference
        for subject in subjects
        for difference in _patient(tenant, subject, counts.get(subject) or Recount(tenant, subject), holdings.of[subject], expected)
    ]
    return Found(found, holdings.seen, {count.patient: -count.booked for count in counts.values() if count.booked}, sums.found)


def _patient(tenant: str, name: str, count: Recount, held: Holding, expected: Expectation) -> Iterator[str]:
    if count.wrong:
        yield f"{tenant}: {count.wrong} events about {name} are not as they were accepted"
    replay = Replay(tenant, name, held.lines, held.months, expected.stands if name == tenant else ())
    replay.run(held.sent)
    yield from _facts(tenant, name, count, held, replay.touched)
    yield from replay.differences(held.lines, held.months)
    histories = Histories(count.lasting, count.months, held.conflicts)
    yield from _roster(tenant, name, histories, held, expected, replay.rosters)
    yield from _lines(PatientMonth(tenant, name, ""), count, held, expected, histories)


def _facts(tenant: str, name: str, count: Recount, held: Holding, told: set[str]) -> Iterator[str]:
    if not same(held.facts, count.lasting):
        yield f"{tenant}: the stored facts of patient {name} differ from the events"
    if held.references != count.subjects:
        yield f"{tenant}: the sites and people that patient {name} is stored to refer to differ from the events"
    certain = count.months.keys() | count.known | told
    for month in sorted((certain - held.known) | (held.known - certain - count.possible)):
        yield f"{tenant}: month {month} is stored wrongly among the months of patient {name}"
    for month in sorted(count.months.keys() | held.months.keys()):
        stored, counted = held.months[month].facts if month in held.months else b"{}", count.months.get(month, {})
        if not _is(stored, counted):
            yield f"{tenant}: the stored entries of patient {name} in {month} differ from the events"


def _is(stored: bytes, counted: Facts) -> bool:
    """Whether a month's document is as counted; which kind of fact came first into it does not matter."""
    texts = (orjson.dumps(facts) for facts in (dict(sorted(counted.items())), counted))
    return stored in texts or same(parsed(stored), counted)


def _roster(tenant: str, name: str, histories: Histories, held: Holding, expected: Expectation, sent: Sequence[str]) -> Iterator[str]:
    """What was told of the patient's programs last is what the facts come to, and as many times as is remembered."""
    data = expected.rosters.of(tenant, name, histories.lasting(), expected.registry)
    mark = mark_of(data) if data["programs"] or sent else None
    if (sent[-1] if sent else None, len(sent)) != (mark, held.roster.get("steps", 0)) or held.roster.get("mark") != mark:
        yield f"{tenant}: the roster of patient {name} is not what the events come to"


def _lines(one: PatientMonth, count: Recount, held: Holding, expected: Expectation, histories: Histories) -> Iterator[str]:
    """Deciding each month anew must change nothing."""
    months: set[str] = {*held.known, *count.months, *count.known, *held.lines}
    if count.lasting.get("set_ups"):
        months |= with_windows(months)
    for identifier in held.misplaced:
        yield f"{one.tenant}: line {identifier} of patient {one.patient} is kept under another month than its own"
    for month in sorted(months):
        here, stored = PatientMonth(one.tenant, one.patient, month), held.lines.get(month, {})
        rulebook = expected.rules.at(one.tenant, month)
        lines = decide(histories.of(month), month, expected.registry, rulebook).lines
        sites = expected.closures.get(month, ())
        if not sites and _unchanged(here, stored, lines, rulebook.id):
            continue
        for name in sorted(_changed(here, stored, lines, sites, rulebook.id)):
            yield f"{one.tenant}: line {name} of patient {one.patient} in {month} is not what the events come to"


def _unchanged(month: PatientMonth, stored: Mapping[Key, Stored], lines: Iterable[Line], rule_set: str) -> bool:
    """Whether the lines of a month that no close binds stand as decided: the usual case, told without settling it."""
    left = dict(stored)
    for line in lines:
        kept = left.pop(line.key, None)
        if kept is None or (kept.status, *kept[5:]) != (line.status, 0, 0, None, 0, 0):
            return False
        identifier = line_id(month, line.key)
        if identifier != kept.line_id or kept.row != line_row(month, identifier, line, kept.revision, rule_set):
            return False
    return all((kept.status, *kept[5:]) == (GONE, 0, 0, None, 0, 0) and kept.line_id == line_id(month, kept.key) for kept in left.values())


def _changed(
    month: PatientMonth, stored: Mapping[Key, Stored], lines: Iterable[Line], sites: Collection[str | None], rule_set: str
) -> set[str]:
    """The ids of the lines that settling anew would change, or whose figures are not their own; all where a row is none."""
    scope = Scope.of(sites)
    found = {kept.line_id for kept in stored.values() if kept.line_id != line_id(month, kept.key) or _untrue(kept)}
    try:
        return found | {kept.line_id for kept in settle(month, stored, lines, scope, rule_set, {}).changed}
    except (LookupError, TypeError, ValueError):
        return {kept.line_id for kept in stored.values()}


def _untrue(kept: Stored) -> bool:
    """Whether figures of a close or an adjustment stand where there was none, or the row is another line's."""
    if kept.status == CLOSED:
        return kept.row.get("line_id") != kept.line_id or kept.row.get("status") != CLOSED
    adjusted = kept.closed_site is not None
    return bool(kept.closed_units or kept.closed_cents or ((kept.adjusted_units or kept.adjusted_cents) and not adjusted))
