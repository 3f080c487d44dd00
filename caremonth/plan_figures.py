"""What a replay plan comes to, for people: lines and dollars by code, site and month, money owed back apart from money to gain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from caremonth.rules_diff import VALUE, difference
from domain.changes import ADJUSTMENT
from domain.rulebook_compile import compile_rulebook
from domain.settlement import cents_of, money
from ledger.plans import Plan

Row = dict[str, Any]

DAYS_TO_RETURN: Final = 60
RETURN_RULE: Final = "42 CFR 401.305"
LARGEST: Final = 10
_COPIED: Final = (
    "digest", "rule_set_from", "rule_set_from_digests", "rule_set_to", "rule_set_to_digest", "legal_status", "months", "scope", "facts",
    "history", "evaluated", "totals",
)  # fmt: skip


class Sums(NamedTuple):
    """Changed lines, and by how many US cents: `back` (never above 0) and `gain` of closed lines, `down` and `up` of open ones.

    An unknown amount is counted as nothing, and counted in `unknown`.
    """

    lines: int = 0
    back_lines: int = 0
    gain_lines: int = 0
    back: int = 0
    gain: int = 0
    down: int = 0
    up: int = 0
    unknown: int = 0

    def plus(self, change: Row) -> Sums:
        """With one more change of a plan."""
        cents, closed, back = delta(change), change["effect"] == ADJUSTMENT, is_back(change)
        return Sums(
            self.lines + 1,
            self.back_lines + (closed and back),
            self.gain_lines + (closed and not back),
            self.back + (cents if closed and back else 0),
            self.gain + (cents if closed and not back else 0),
            self.down + (cents if not closed and back else 0),
            self.up + (cents if not closed and not back else 0),
            self.unknown + is_unknown(change),
        )

    def row(self) -> Row:
        """In dollars; the three amounts add up to `amount_delta`."""
        return {
            "lines": self.lines, "owed_back": money(self.back), "to_gain": money(self.gain), "open": money(self.down + self.up),
            "amount_delta": money(self.back + self.gain + self.down + self.up), "amounts_unknown": self.unknown,
        }  # fmt: skip


def sums(changes: Iterable[Row]) -> Sums:
    """The sums of changes."""
    total = Sums()
    for change in changes:
        total = total.plus(change)
    return total


def delta(change: Row) -> int:
    """By how many US cents a line changes, an unknown amount as nothing: as a plan's totals have it."""
    return (cents_of(change["amount_to"]) or 0) - (cents_of(change["amount_from"]) or 0)


def dollar_delta(change: Row) -> str:
    """`delta` in dollars."""
    return str(money(delta(change)))


def is_back(change: Row) -> bool:
    """Whether a line comes to less: by its amount, else by its units (docs/contract.md §2, `kind`)."""
    return (delta(change) or change["units_to"] - change["units_from"]) < 0


def is_unknown(change: Row) -> bool:
    """Whether no price is known for one of its amounts."""
    return None in (change["amount_from"], change["amount_to"])


def figures(plan: Plan, as_of: date) -> Row:
    """All that is shown of a plan; `as_of` is the day on which what is owed back counts as identified."""
    total = sums(plan.changes)
    return {
        **{name: plan.document[name] for name in _COPIED},
        "warnings": list(warnings(plan)),
        "owed_back": {"lines": total.back_lines, "amount": money(total.back)},
        "to_gain": {"lines": total.gain_lines, "amount": money(total.gain)},
        "open": {
            "lines": total.lines - total.back_lines - total.gain_lines,
            "down": money(total.down), "up": money(total.up), "amount": money(total.down + total.up),
        },
        "as_of": as_of.isoformat(),
        "return_by": (as_of + timedelta(days=DAYS_TO_RETURN)).isoformat(),
        "return_rule": RETURN_RULE,
        "by_code": grouped(plan.changes, ("program", "code")),
        "by_site": grouped(plan.changes, ("tenant", "site_id")),
        "by_month": grouped(plan.changes, ("month",)),
        "largest": [{**change, "amount_delta": dollar_delta(change)} for change in largest(plan.changes)],
        "rule_changes": list(rule_changes(plan)),
    }  # fmt: skip


def grouped(changes: Iterable[Row], names: Sequence[str]) -> list[Row]:
    """The sums of the changes that have these fields in common, in order of the fields."""
    groups: dict[tuple[str, ...], Sums] = {}
    for change in changes:
        key = tuple(change[name] or "" for name in names)
        groups[key] = groups.get(key, Sums()).plus(change)
    return [{**{name: part or None for name, part in zip(names, key, strict=True)}, **groups[key].row()} for key in sorted(groups)]


def largest(changes: Iterable[Row], count: int = LARGEST) -> list[Row]:
    """The changes that move the most money, then the most units, the largest first; among equals the order of the plan holds."""
    return sorted(changes, key=lambda change: (-abs(delta(change)), -abs(change["units_to"] - change["units_from"])))[:count]


def warnings(plan: Plan) -> Iterator[str]:
    """Why the plan cannot be carried out, or is not the whole of it."""
    scope, facts = plan.scope, plan.document["facts"]
    if facts is not None:
        left_out = [f"all events of {source}" for source in facts.get("without") or ()]
        left_out += [f"all events recorded after {facts['as_of']}"] if facts.get("as_of") else []
        yield f"This plan is of other facts, without {' and '.join(left_out)}: it can be shown, and cannot be carried out."
    if plan.document["legal_status"] == "proposed":
        yield f"The rules of {plan.document['rule_set_to']} are only proposed: the plan can be shown, and cannot be carried out."
    if scope["site"] is not None or scope["family"] is not None:
        shown = " and ".join(f"{what} {scope[what]}" for what in ("site", "family") if scope[what] is not None)
        yield f"Only {shown} is shown, but rules hold for all of a tenant: to carry it out, make it without --site and --family."


def rule_changes(plan: Plan) -> Iterator[Row]:
    """The values that differ between each rule set in force and the plan's; what is only cited otherwise is not told."""
    after = plan.rulebook
    if after is None:
        return
    for digest, document in sorted(plan.document["rules_from"].items()):
        if digest != after.digest:
            changed = (row for row in difference(compile_rulebook(document), after) if row["change"] == VALUE)
            yield from ({**row, "rule_set_from_digest": digest} for row in changed)
