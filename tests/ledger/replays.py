"""What a plan must say, found without it: one ledger fed under each of the two rule sets, and what each line comes to in both."""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from domain.rulebook import Rulebook
from ledger import Ledger, applying, plans
from ledger.activations import Activation
from ledger.applying import Word
from ledger.plan_parts import Scope
from ledger.planning import make
from ledger.plans import Plan
from tests.generators import Dice, Story

Event = dict[str, Any]
Row = dict[str, Any]
Key = tuple[str, ...]
KEY = ("tenant", "patient_id", "month", "program", "practitioner_id", "code", "window_start")
OPEN = ("ready", "awaiting_close")
EVERYTHING = Scope()
WORD = Word("pat", "the rules were wrong", 1_900_000_000)

STORIES = (3, 5, 18, 21, 48, 49, 65, 70, 73, 126, 140, 165)
"""Seeds of stories some of whose lines are others under each of `other_rules.FIVE`."""


def stories(seeds: Iterable[int] = STORIES, closes: bool = True) -> list[Event]:
    """Stories, each of a tenant of its own."""
    return [event for seed in seeds for event in Story(Dice(seed), f"t{seed}").tell(closes)]


def feed(ledger: Ledger, events: Sequence[Event], batch: int = 1000) -> Ledger:
    """The ledger, once it has taken the events in; none may be refused."""
    summary = ledger.ingest([(f"replay:{n}", json.dumps(event).encode()) for n, event in enumerate(events)], batch=batch)
    assert summary.dead_letters == 0, ledger.dead_letters()
    return ledger


def planned(ledger: Ledger, book: Rulebook, scope: Scope = EVERYTHING, **options: Any) -> Plan:
    """The plan of a rule set for a ledger."""
    return plans.parse(make(ledger.engine, book, scope, **options))


def applied(ledger: Ledger, plan: Plan, **options: Any) -> Activation:
    """The activation that came of carrying a plan out."""
    return applying.apply(ledger.engine, plan, WORD, settle=ledger.settle, **options)


def reverted(ledger: Ledger, plan: Plan) -> Activation:
    """The activation that took a plan back."""
    return applying.revert(ledger.engine, plan.digest, WORD, settle=ledger.settle)


class Sum(NamedTuple):
    """What a line comes to with its adjustments: units and US$, None where an amount is unknown."""

    units: int
    dollars: Decimal | None


NOTHING = Sum(0, Decimal())


def sums(ledger: Ledger) -> dict[Key, Sum]:
    """What each line comes to, those that come to nothing left out."""
    found: dict[Key, Sum] = {}
    for line in ledger.lines():
        if line["status"] in (*OPEN, "closed"):
            found[key_of(line)] = Sum(line["units"], _dollars(line["amount"]))
    for row in ledger.adjustments():
        before = found.get(key_of(row), NOTHING)
        found[key_of(row)] = Sum(before.units + row["units_delta"], _plus(before.dollars, row["amount_delta"]))
    return {key: one for key, one in found.items() if one.units or one.dollars}


def _dollars(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _plus(dollars: Decimal | None, text: str | None) -> Decimal | None:
    if text is None:
        return dollars or None
    return (dollars or Decimal()) + Decimal(text)


def key_of(row: Row) -> Key:
    """What names a line over all ledgers."""
    return tuple(str(row.get(name, "")) for name in KEY)


def differing(one: dict[Key, Sum], other: dict[Key, Sum]) -> dict[Key, tuple[int, int]]:
    """Units under both of the lines that do not come to the same; an amount that is unknown in one says nothing."""
    found: dict[Key, tuple[int, int]] = {}
    for key in one.keys() | other.keys():
        was, now = one.get(key, NOTHING), other.get(key, NOTHING)
        if was.units != now.units or (was.dollars != now.dollars and None not in (was.dollars, now.dollars)):
            found[key] = was.units, now.units
    return found


def units_of(plan: Plan) -> dict[Key, tuple[int, int]]:
    """Units before and after by line, as the plan has them; a line that changes and is adjusted has both together."""
    found: dict[Key, tuple[int, int]] = {}
    for row in plan.changes:
        was, now = found.get(key_of(row), (0, 0))
        found[key_of(row)] = was + row["units_from"], now + row["units_to"]
    return found


def figures(ledger: Ledger) -> list[Row]:
    """The lines that are not closed, without their revisions."""
    return [{k: v for k, v in line.items() if k != "revision"} for line in ledger.lines() if line["status"] != "closed"]
