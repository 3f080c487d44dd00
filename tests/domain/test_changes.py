"""What a plan says of one line, for each way in which a line can stand and in which another decision can differ."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pytest

from domain.changes import ADJUSTMENT, LINE, Billed, Change, between, carried_out, changes
from domain.lines import AWAITING_CLOSE, EXCLUDED, HELD, READY, Key, Line
from domain.settlement import PatientMonth, Scope, Stored, close, owed, settle
from ledger.plans import totals_of

MONTH = PatientMonth("acme", "P1", "2026-03")
DAY, LATER = date(2026, 3, 30).toordinal(), date(2026, 4, 4).toordinal()
OPEN, WHOLE = Scope(), Scope(whole=True)
NORTH = Scope(sites=frozenset({"north"}))
BASE = Line("CPM", "dr-lee", "G3002", None, "north", 1, 0, READY, (), DAY, 2700, None, None, 8617, ("s\te1",), None, 1)
ADDON = BASE._replace(code="G3003", base="G3002", cents=3173)
NONE: Billed = (0, 0, None, None)
ISO, ISO_LATER = "2026-03-30", "2026-04-04"


def stands(*decided: Line, scope: Scope = OPEN, standing: Mapping[Key, Stored] | None = None) -> dict[Key, Stored]:
    """The lines as they stand once this was decided."""
    before = dict(standing or {})
    return before | {line.key: line for line in settle(MONTH, before, decided, scope, "r", {}).changed}


def closed(*decided: Line, site: str | None = None) -> dict[Key, Stored]:
    """The lines as they stand once this was decided and the month closed."""
    before = stands(*decided)
    return before | {line.key: line for line in close(MONTH, before.values(), site).changed}


def told(found: Iterable[Change]) -> list[tuple[str, str, Billed, Billed]]:
    """Code, effect, and what is billed before and after."""
    return [(change.key[2], change.effect, change.before, change.after) for change in found]


def same(standing: Mapping[Key, Stored], scope: Scope, *now: Line) -> None:
    """A plan never says other than what deciding does: once carried out nothing is left to change."""
    assert changes(stands(*now, scope=scope, standing=standing), now, scope) == []


@pytest.mark.parametrize("status", [READY, AWAITING_CLOSE])
def test_the_same_decision_changes_nothing(status: str) -> None:
    line = BASE._replace(status=status)
    assert changes(stands(line), [line], OPEN) == []
    assert changes(closed(line), [line], WHOLE) == []
    assert changes(stands(BASE._replace(status=HELD)), [BASE._replace(status=HELD)], OPEN) == []


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ([ADDON._replace(units=3)], (3, 9519, "north", ISO)),
        ([ADDON._replace(day=LATER)], (2, 6346, "north", ISO_LATER)),
        ([ADDON._replace(site="south")], (2, 6346, "south", ISO)),
        ([ADDON._replace(cents=1000)], (2, 2000, "north", ISO)),
        ([ADDON._replace(cents=None)], (2, None, "north", ISO)),
        ([ADDON._replace(status=HELD)], NONE),
        ([ADDON._replace(status=EXCLUDED)], NONE),
        ([], NONE),
    ],
    ids=["units", "date", "site", "price", "no price", "held", "excluded", "gone"],
)
def test_an_open_line_that_becomes_another(now: list[Line], after: Billed) -> None:
    """Given two units that are ready, when other rules say otherwise, then the line itself changes and nothing is adjusted."""
    now = [line._replace(units=2) if line.units == 1 else line for line in now]
    standing = stands(ADDON._replace(units=2))
    assert told(changes(standing, now, OPEN)) == [("G3003", LINE, (2, 6346, "north", ISO), after)]
    same(standing, OPEN, *now)


@pytest.mark.parametrize("before", [[], [BASE._replace(status=HELD, unmet=("condition",))], [BASE._replace(status=EXCLUDED)]])
def test_a_line_that_comes(before: list[Line]) -> None:
    """Given no line, a held or an excluded one, when it becomes ready, then it is a line from nothing."""
    standing = stands(*before)
    assert told(changes(standing, [BASE], OPEN)) == [("G3002", LINE, NONE, (1, 8617, "north", ISO))]
    assert totals_of(changes(standing, [BASE], OPEN)) == (1, 0, 0, 8617, 0)
    same(standing, OPEN, BASE)


def test_what_is_no_money_is_no_change() -> None:
    """Given a held line, when something else is unmet or another line excludes it, then nothing is said of it."""
    held = BASE._replace(status=HELD, unmet=("condition",))
    assert changes(stands(held), [held._replace(unmet=("care_plan",))], OPEN) == []
    assert changes(stands(held), [BASE._replace(status=EXCLUDED)], OPEN) == []
    assert changes(stands(BASE._replace(status=AWAITING_CLOSE)), [BASE], OPEN) == []


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ([ADDON._replace(units=1)], (1, 3173, "north", None)),
        ([ADDON._replace(units=2, cents=3200)], (2, 6400, "north", None)),
        ([ADDON._replace(status=HELD)], (0, 0, "north", None)),
        ([], (0, 0, "north", None)),
    ],
    ids=["fewer units", "another price", "held", "gone"],
)
def test_a_closed_line_is_adjusted(now: list[Line], after: Billed) -> None:
    """Given a closed line, when other rules say otherwise, then it stays and the difference is an adjustment."""
    standing = closed(ADDON._replace(units=2))
    assert told(changes(standing, now, WHOLE)) == [("G3003", ADJUSTMENT, (2, 6346, "north", None), after)]
    same(standing, WHOLE, *now)


def test_what_was_adjusted_already_counts_as_billed() -> None:
    """Given a closed unit and an adjustment of one more, when three are due, then the plan says two before and three after."""
    standing = stands(ADDON._replace(units=2), scope=WHOLE, standing=closed(ADDON))
    found = changes(standing, [ADDON._replace(units=3)], WHOLE)
    assert told(found) == [("G3003", ADJUSTMENT, (2, 6346, "north", None), (3, 9519, "north", None))]
    assert totals_of(found) == (0, 0, 1, 3173, 0)


def test_an_addon_of_a_closed_base_is_an_adjustment_at_its_site() -> None:
    """Given a base closed at north, when an add-on comes, at whatever site, then it is proposed there from zero."""
    standing = closed(BASE, site="north")
    addon = ADDON._replace(site="south")
    assert told(changes(standing, [BASE, addon], NORTH)) == [("G3003", ADJUSTMENT, (0, 0, "north", None), (1, 3173, "north", None))]
    same(standing, NORTH, BASE, addon)


def test_a_line_that_comes_to_a_closed_site_is_withdrawn_and_proposed_there() -> None:
    """Given a ready line at south, when it comes to belong to north, which is closed, then the line goes and north is owed it."""
    standing = stands(BASE._replace(site="south"), scope=NORTH)
    assert told(changes(standing, [BASE], NORTH)) == [
        ("G3002", LINE, (1, 8617, "south", ISO), NONE),
        ("G3002", ADJUSTMENT, (0, 0, "north", None), (1, 8617, "north", None)),
    ]
    same(standing, NORTH, BASE)


def test_what_was_proposed_at_a_closed_site_and_leaves_it_is_taken_back_there() -> None:
    """Given a line proposed at north after its close, when it comes to belong to south, then north gets it back and south has a line."""
    standing = stands(BASE, scope=NORTH)
    assert told(changes(standing, [BASE._replace(site="south")], NORTH)) == [
        ("G3002", LINE, NONE, (1, 8617, "south", ISO)),
        ("G3002", ADJUSTMENT, (1, 8617, "north", None), (0, 0, "north", None)),
    ]
    same(standing, NORTH, BASE._replace(site="south"))


def test_an_unknown_price_is_told_as_unknown_and_not_as_nothing() -> None:
    """Given a closed unit with a price, when there is none for two, then the plan says units, and of the amount that it is unknown."""
    standing, two = closed(ADDON), ADDON._replace(units=2, cents=None)
    found = changes(standing, [two], WHOLE)
    assert told(found) == [("G3003", ADJUSTMENT, (1, 3173, "north", None), (2, None, "north", None))]
    assert [found[0].row(MONTH)[name] for name in ("amount_from", "amount_to")] == ["31.73", None]
    assert totals_of(found).unknown == 1
    assert changes(standing, [ADDON._replace(cents=None)], WHOLE) == []
    same(standing, WHOLE, two)


def test_a_price_that_becomes_known_is_a_change() -> None:
    """Given a line closed without a price, when there is one, then its amount is owed."""
    standing = closed(ADDON._replace(cents=None))
    assert told(changes(standing, [ADDON], WHOLE)) == [("G3003", ADJUSTMENT, (1, None, "north", None), (1, 3173, "north", None))]
    same(standing, WHOLE, ADDON)


def test_a_device_line_is_told_with_its_window() -> None:
    """Given two windows of one code in a month, then the plan tells them apart."""
    one = BASE._replace(program="RPM", code="99454", window_start=DAY - 29, window_end=DAY, seconds=None, days=16)
    rows = [change.row(MONTH) for change in changes({}, [one, one._replace(window_start=DAY - 28)], OPEN)]
    assert [row["window_start"] for row in rows] == ["2026-03-01", "2026-03-02"]
    assert "window_start" not in changes({}, [BASE], OPEN)[0].row(MONTH)


@pytest.mark.parametrize(("site", "effect"), [(None, ADJUSTMENT), ("north", ADJUSTMENT), ("south", LINE)])
def test_a_close_that_waits_binds_first(site: str | None, effect: str) -> None:
    """Given a ready line and a close accepted but not carried out, then what other rules say of it is said of the closed line."""
    standing, scope = stands(BASE), Scope(site is None, frozenset({site} if site else ()))
    found: dict[Key, Any] = dict(carried_out(MONTH, standing, [BASE], scope, [site]))
    assert [change.effect for change in changes(found, [], scope)] == [effect]


def adjusted(*decided: Line, to: Iterable[Line]) -> dict[Key, Stored]:
    """The lines as they stand once this was closed, and decided otherwise afterwards."""
    return stands(*to, scope=WHOLE, standing=closed(*decided))


def test_ledgers_that_stand_alike_do_not_differ() -> None:
    """Given the same open lines, or what was closed and adjusted to the same, then nothing is told, however it came about."""
    assert between(stands(BASE, ADDON), stands(BASE, ADDON)) == []
    assert between(stands(BASE._replace(status=HELD)), {}) == []
    two = ADDON._replace(units=2)
    assert between(adjusted(BASE, ADDON, to=[BASE, two]), closed(BASE, two)) == []
    assert between(adjusted(BASE, to=[]), {}) == []


def test_an_open_line_differs_in_whatever_is_said_of_it() -> None:
    """Given an open line here and there, then also its date is compared; one that is only here goes."""
    later = BASE._replace(day=LATER)
    assert told(between(stands(BASE), stands(later))) == [("G3002", LINE, (1, 8617, "north", ISO), (1, 8617, "north", ISO_LATER))]
    assert told(between(stands(BASE), {})) == [("G3002", LINE, (1, 8617, "north", ISO), NONE)]


def test_a_closed_line_differs_in_units_and_known_amounts_alone() -> None:
    """Given a closed line that came to another date or lost its price elsewhere, then only other units or another amount are told."""
    assert between(closed(BASE), closed(BASE._replace(day=LATER))) == []
    assert between(closed(BASE), stands(BASE._replace(day=LATER))) == []
    assert between(closed(BASE._replace(cents=None)), closed(BASE)) == []
    two = ADDON._replace(units=2)
    assert told(between(closed(ADDON), adjusted(ADDON, to=[two]))) == [
        ("G3003", ADJUSTMENT, (1, 3173, "north", ISO), (2, 6346, "north", ISO)),
    ]
    assert told(between(closed(BASE), closed(BASE._replace(cents=8000)))) == [
        ("G3002", ADJUSTMENT, (1, 8617, "north", ISO), (1, 8000, "north", ISO)),
    ]


def test_what_was_proposed_under_rules_that_are_taken_back_is_taken_back_also_where_no_price_is_known() -> None:
    """Given a unit closed without a price and one proposed with it under other rules, when these go, then so does all they proposed."""
    unpriced = ADDON._replace(cents=None)
    before = adjusted(unpriced, to=[ADDON._replace(units=2)])
    (line,) = before.values()
    assert (line.adjusted_units, line.adjusted_cents) == (1, 6346)
    assert owed(line, unpriced) == (-1, None)
    assert owed(line, unpriced, line.adjusted_cents) == (-1, -6346)
