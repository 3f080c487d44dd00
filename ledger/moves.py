"""What was accepted since a plan was made, and which of the plan's patient-months it bears on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from domain.events import Event
from domain.records import months_of, place, spelled, to_decide
from domain.rule_differences import Differences
from domain.rulebook import Rulebook
from ledger import arrivals, histories, schema
from ledger.accepting import BINDING, CLOSE
from ledger.errors import LedgerError
from ledger.plan_parts import Scope
from ledger.plans import Plan
from ledger.rules import Rules
from ledger.trusted import reread
from ledger.workspace import Workspace


def moved(connection: Connection, plan: Plan, scope: Scope, book: Rulebook) -> list[str]:
    """The patient-months of a plan that events accepted since bear on, as `tenant/patient/month`; a site, person or close by its name.

    Raises LedgerError where the events the plan was made on are not all in the ledger.
    """
    rules = Rules()
    rules.refresh(connection)
    found: set[str] = set()
    now = histories.of(connection, [scope.tenant] if scope.tenant else ())
    then = {tenant: histories.History(**one) for tenant, one in plan.document["histories"].items()}
    for tenant in sorted(now.keys() | then.keys()):
        events = _since(connection, tenant, then.get(tenant, histories.History()), now.get(tenant, histories.History()))
        if events:
            bearing = _Bearing(connection, tenant, scope, rules, book)
            found.update(name for event in events for name in bearing.of(event))
    if sorted({row.digest for row in rules.visible_in(scope.tenant, *scope.span)}) != plan.document["rule_set_from_digests"]:
        found.add("the rules in force")
    return sorted(found)


def _since(connection: Connection, tenant: str, then: histories.History, now: histories.History) -> list[Event]:
    """The events of a tenant that came after a history, which must be the beginning of the present one."""
    t = schema.events.c
    last = select(t.source, t.id, t.digest, t.raw).where(t.tenant == tenant).order_by(t.seq.desc()).limit(max(now.events - then.events, 0))
    rows = connection.execute(last).all() if now != then else []
    sums = histories.Sums()
    for source, identifier, digest, _ in rows:
        sums.add(tenant, source, identifier, digest)
    if histories.less(now, dict(sums.histories()).get(tenant, histories.History())) != then:
        raise LedgerError(f"the plan was made on events of {tenant} that are not in this ledger; name the ledger it was made on with --db")
    words: frozenset[str] = frozenset()
    return [reread(raw, words) for _, _, _, raw in rows]


class _Bearing:
    """Which patient-months of a plan an event of a tenant bears on."""

    def __init__(self, connection: Connection, tenant: str, scope: Scope, rules: Rules, book: Rulebook) -> None:
        self.connection = connection
        self.tenant = tenant
        self.scope = scope
        self.work = Workspace(connection)
        self.differences = Differences(rules.latest(tenant), rules.beside(book, scope.tenant, *scope.span).latest(tenant))

    def of(self, event: Event) -> Iterator[str]:
        """The patient-months, also those of what the event takes out."""
        gone = [(event.tenant, identity) for identity in arrivals.target_of(event)]
        for one in (event, *(reread(raw, ()) for raw in arrivals.stored_raw(self.connection, gone))):
            yield from self._named(one)

    def _named(self, event: Event) -> Iterator[str]:
        placed = place(event)
        if event.type == CLOSE:
            if self._is_in(event.data.month):
                yield f"the close of {event.data.month} in {event.tenant}"
        elif event.type in BINDING:
            yield f"{event.tenant}/{event.subject} (a site or person)"
        elif placed is not None:
            patient = f"{event.tenant}/{event.subject}"
            self.work.load_patients([patient])
            document = self.work.patients[patient]
            marks: Sequence[str] = to_decide(placed, months_of(placed.low, placed.high))
            months = {month for mark in marks for month in spelled(mark, document.months, document.facts)}
            yield from (f"{patient}/{month}" for month in months if self._is_in(month))

    def _is_in(self, month: str) -> bool:
        return self.scope.span.holds(month) or bool(self.differences.programs(month))
