"""Carrying a replay plan out, and taking it back: an activation, and marks that everything it bears on is due (docs/adr/0012)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine

from domain.calendar import shift_month, utc_text
from domain.records import EVERY, ONWARD
from domain.rulebook import Rulebook
from ledger import activations, locks, plans
from ledger.activations import Activation
from ledger.approvals import require_applicable
from ledger.draining import Drain
from ledger.errors import LedgerError
from ledger.intake import CHUNK
from ledger.marks import ROSTER_DUE, queue_all
from ledger.moves import moved
from ledger.plan_parts import Scope
from ledger.planning import make, require_words
from ledger.plans import Plan
from ledger.retry import look, transaction
from ledger.rules import Rules, ledger_rules, named, rules_of, store

MONTHS_BEFORE: Final = 3
"""A set-up line may be decided by days of the months after it, so marks begin before the months an activation names."""
NAMED: Final = 20
"""So many patient-months that moved are named at most."""


class Word(NamedTuple):
    """Whose decision it is and why, and when it was made (epoch seconds): not before the last one, by which decisions are dated already."""

    by: str
    reason: str
    at: int


def apply(engine: Engine, plan: Plan, word: Word, *, settle: Callable[[], None], even_if_moved: bool = False) -> Activation:
    """Put a plan's rule set in force and have all that it bears on decided again; returns the activation once that is done.

    The same plan again finishes what was begun. Raises LedgerError, and changes nothing, where the plan cannot be carried out: edited,
    stale, shown only in part, under proposed rules, or a plan of other facts.
    """
    book = _applicable(engine, plan)
    settle()
    done = _carried_out(ledger_rules(engine), plan.digest)
    if done is None:
        again = _made_again(engine, plan, book, even_if_moved)
        done = transaction(engine, lambda connection: _activated(connection, plan, again, book, word))
    settle()
    return done


def revert(engine: Engine, digest: str, word: Word, *, settle: Callable[[], None]) -> Activation:
    """Take back what a plan put in force: the rules before hold again, closed months get compensating adjustments, nothing is deleted.

    `digest` is the plan's, or its beginning. The same again finishes what was begun. LedgerError where there is nothing to take back.
    """
    settle()
    back = transaction(engine, lambda connection: _reverted(connection, digest, word))
    settle()
    return back


def require_carriable(connection: Connection, plan: Plan) -> Rulebook:
    """The rule set of a plan; LedgerError where it is no plan that can be carried out, whatever the history."""
    scope, book = Scope.of(plan.scope), plan.rulebook
    if book is None or plan.document["facts"] is not None:
        raise LedgerError("this plan compares facts and not rules: it can be shown, there is nothing in it to carry out")
    if scope.site is not None or scope.family is not None:
        raise LedgerError("this plan shows one site or family only, rules hold for all of a tenant; make it without --site and --family")
    if plan.document["history"] != plans.history_of(plan.document["histories"]):
        raise LedgerError("the plan was edited: its history is not that of its tenants; make it again")
    require_applicable(connection, book)
    return book


def _applicable(engine: Engine, plan: Plan) -> Rulebook:
    return look(engine, lambda connection: require_carriable(connection, plan))


def _carried_out(rules: Rules, digest: str) -> Activation | None:
    """The activation that a plan was carried out by; LedgerError where it was taken back since."""
    mine = [row for row in rules.rows if row.plan == digest and row.reverts is None]
    if mine and mine[-1] not in activations.standing(rules.rows):
        raise LedgerError("this plan was carried out and taken back; make a new one")
    return mine[-1] if mine else None


def _made_again(engine: Engine, plan: Plan, book: Rulebook, even_if_moved: bool) -> Plan | None:
    """The plan as it is now, which is what is to be carried out; None where it is to be carried out even if the history moves.

    On someone's word a plan that no longer fits is carried out, one that was edited is not, as far as that can still be told.
    """
    scope = Scope.of(plan.scope)

    def goes_on() -> bool:
        found = look(engine, lambda connection: moved(connection, plan, scope, book))
        if not even_if_moved:
            _refuse_moved(found)
        return bool(found)

    if goes_on():
        return None
    again = plans.parse(make(engine, book, scope))
    differing = sorted(
        name for name in {*plan.document, *again.document} - plans.OF_THE_MOMENT if plan.document.get(name) != again.document.get(name)
    )
    if differing:
        if goes_on():  # since it was looked at first
            return None
        raise LedgerError(
            f"the plan is not what this ledger and these rules come to: {', '.join(differing)} differ; it was edited, or is of another "
            "ledger. Nothing was changed; make it again"
        )
    return None if even_if_moved else again


def _refuse_moved(months: list[str]) -> None:
    if months:
        more = f" and {len(months) - NAMED} more" if len(months) > NAMED else ""
        raise LedgerError(
            f"the history has moved since the plan was made: {', '.join(months[:NAMED])}{more}; nothing was changed, make the plan again, "
            "or carry it out all the same with --even-if-moved"
        )


def _activated(connection: Connection, plan: Plan, again: Plan | None, book: Rulebook, word: Word) -> Activation:
    """Put the rule set in force, unless something bears on the plan that came since it was made `again`."""
    scope = Scope.of(plan.scope)
    rules = _alone(connection, scope.tenant)
    known = _carried_out(rules, plan.digest)
    if known is not None:
        return known
    if again is not None:
        _refuse_moved(moved(connection, again, scope, book))
    require_words(rules, book)
    _require_later(rules, word)
    other = named(connection, book)
    store(connection, other)
    row = Activation(0, scope.tenant, scope.span.first, scope.span.last, other.digest, None, plan.digest, word.by, word.reason, word.at)
    return _queued(connection, activations.append(connection, row), row)


def _reverted(connection: Connection, digest: str, word: Word) -> Activation:
    rules = rules_of(connection)
    target = _target(rules, digest)
    rules = _alone(connection, target.tenant)
    target = _target(rules, digest)
    back = next((row for row in rules.rows if row.reverts == target.seq), None)
    if back is not None:
        return back
    about = target.tenant, target.first, target.last
    later = [row for row in activations.standing(rules.rows) if row.seq > target.seq and row.meets(*about)]
    if later:
        raise LedgerError(
            f"activation {later[0].seq} came later and is about some of the same months; take that back first: its plan is {later[0].plan}"
        )
    _require_later(rules, word)
    before = rules.without(target.seq)
    row = target._replace(
        reverts=target.seq,
        digest=before.at(target.tenant or "", target.first or "0001-01").digest,
        by=word.by,
        reason=word.reason,
        at=word.at,
    )
    return _queued(connection, activations.append(connection, row), target)


def _target(rules: Rules, digest: str) -> Activation:
    mine = [row for row in rules.rows if row.plan is not None and row.reverts is None and row.plan.startswith(digest)]
    if len({row.plan for row in mine}) != 1 or not digest:
        known = ", ".join(sorted({str(row.plan)[:12] for row in rules.rows if row.plan})) or "none"
        raise LedgerError(f"no single plan that was carried out has a digest beginning with '{digest}'; those carried out are: {known}")
    return mine[-1]


def _require_later(rules: Rules, word: Word) -> None:
    """LedgerError for a word dated before the last one: what that decided is dated by it."""
    if word.at < rules.rows[-1].at:
        raise LedgerError(f"--at is before {utc_text(rules.rows[-1].at)}, when it was last said which rules hold; name a later time")


def _alone(connection: Connection, tenant: str | None) -> Rules:
    """Have the tenants to oneself, all that was due before decided; returns the rules as they are now."""
    mine = [tenant] if tenant else []
    if tenant:
        locks.tenants(connection, mine, alone=True)
    else:
        locks.everyone(connection)
    locks.gate(connection)
    rules = rules_of(connection)
    Drain(connection, rules, None).all_of(mine, CHUNK)
    return rules


def _queued(connection: Connection, row: Activation, scope: Activation) -> Activation:
    """Mark what an activation bears on as due: all months of the tenants' patients from shortly before its first one on."""
    first = EVERY if scope.first is None else shift_month(scope.first, -MONTHS_BEFORE) + ONWARD
    queue_all(connection, [scope.tenant] if scope.tenant else (), (first, ROSTER_DUE), row.cause)
    return row
