"""Why a plan changes a patient-month: its explanation under the rules in force beside that under the plan's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import Branch, clean, note, put, put_json, put_styled, put_tree, tree_lines, width_of_terminal
from caremonth.explain_text import Explanation
from caremonth.plan_figures import dollar_delta
from caremonth.plan_text import priced, signed
from domain.settlement import PatientMonth
from ledger import Ledger, histories, plans
from ledger.activations import standing
from ledger.database import reading
from ledger.outlook import Outlook, outlook
from ledger.plan_parts import Scope
from ledger.plans import Plan
from ledger.rules import Rules

Row = dict[str, Any]

_BETWEEN: Final = {True: " │ ", False: " ┃ "}
_LEAST: Final = 100
"""Columns of a terminal below which the two do not stand beside each other."""


class Sides(NamedTuple):
    """The two outlooks, the lines of the plan between them, and whether events came since the plan was made."""

    before: Outlook
    after: Outlook
    changes: list[Row]
    moved: bool


def why(path: Path, settings: Settings, one: PatientMonth) -> None:
    """Show both explanations; LedgerError for an edited plan or an unknown patient, RefusedError for a plan of other facts."""
    plan = plans.read(path)
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        sides = sides_of(ledger, plan, one)
    if sides.moved:
        note("events came in since the plan was made: this is how things stand now, the plan's figures may be others")
    if settings.json:
        put_json({"from": sides.before.tree, "to": sides.after.tree, "changes": sides.changes})
    else:
        _put(sides, one)


def sides_of(ledger: Ledger, plan: Plan, one: PatientMonth) -> Sides:
    """The patient-month with and without the plan, whether the plan was carried out or not."""
    changes = [row for row in plan.changes if (row["tenant"], row["patient_id"], row["month"]) == one]
    with reading(ledger.engine) as connection:
        ledger.rules.refresh(connection)
        before, after = _rules(ledger.rules, plan, one)
        present = {tenant: {"events": now.events, "sum": now.sum} for tenant, now in histories.of(connection, [one.tenant]).items()}
        moved = present.get(one.tenant) != plan.document["histories"].get(one.tenant)
        return Sides(outlook(connection, before, one), outlook(connection, after, one), changes, moved)


def _rules(rules: Rules, plan: Plan, one: PatientMonth) -> tuple[Rules, Rules]:
    scope, book = Scope.of(plan.scope), plan.rulebook
    if book is None or plan.document["facts"] is not None:
        raise RefusedError("this plan is of other facts, which the ledger does not hold; --why compares rules")
    if not _is_about(plan, scope, one):
        raise RefusedError("the plan is not about this tenant and month; `replay show` without --why says what it is about")
    applied = [row for row in standing(rules.rows) if row.plan == plan.digest]
    if applied:
        return rules.without(applied[0].seq), rules
    return rules, rules.beside(replace(book, id=plan.document["rule_set_to"]), scope.tenant, *scope.span)


def _is_about(plan: Plan, scope: Scope, one: PatientMonth) -> bool:
    """A plan's months are those it names, and months beside them that a window of days reaches into."""
    named = scope.tenant in (None, one.tenant) and scope.span.holds(one.month)
    return named or any((row["tenant"], row["month"]) == (one.tenant, one.month) for row in plan.changes)


def _put(sides: Sides, one: PatientMonth) -> None:
    for line in _told(sides.changes):
        put(clean(line))
    put()
    trees = [_branches(side, one, when) for side, when in ((sides.before, "without the plan"), (sides.after, "with the plan"))]
    width = width_of_terminal()
    if width is None or width < _LEAST:
        put_tree(trees[0])
        put()
        put_tree(trees[1])
    else:
        half = (width - len(_BETWEEN[True])) // 2
        for text, style in beside(_lines(trees[0], half), _lines(trees[1], half), half):
            put_styled(text, style)


def _told(changes: Sequence[Row]) -> Iterator[str]:
    """What the plan does to the lines of the patient-month."""
    if not changes:
        yield "The plan changes no line of this patient-month."
    for row in changes:
        window = f" from {row['window_start']}" if row.get("window_start") else ""
        amounts = f"{priced(row['amount_from'])} → {priced(row['amount_to'])} ({signed(dollar_delta(row))})"
        units = f"{row['units_from']} → {row['units_to']} units"
        yield f"{row['code']}{window} {row['program']} by {row['practitioner_id']}: {units}, {amounts}, as {row['effect']}"


def _branches(side: Outlook, one: PatientMonth, when: str) -> list[Branch]:
    heading = Branch(f"{one.patient} · {one.month} · {one.tenant} · {when}: rule set {side.tree['rule_set']}", "bold")
    return [heading, *Explanation(side.tree, side.decision, side.registry, side.rulebook, side.adjusted).branches()]


def _lines(branches: Sequence[Branch], width: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for branch in branches:
        found += [*tree_lines(branch, width), ("", "")]
    return found


def beside(left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]], width: int) -> Iterator[tuple[str, str]]:
    """Two texts in columns of a width, what is the same on one line; a heavy bar and yellow mark where they differ."""
    for tag, a, b, c, d in SequenceMatcher(None, [text for text, _ in left], [text for text, _ in right], autojunk=False).get_opcodes():
        same = tag == "equal"
        for one, other in zip_longest(left[a:b], right[c:d], fillvalue=("", "")):
            style = (one[1] or other[1]) if same else "yellow"
            yield f"{one[0]:<{width}}{_BETWEEN[same]}{other[0]}".rstrip(), style
