"""What was accepted since a plan was made, and which of the plan's patient-months it bears on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from domain.event import Event
from domain.records import months_of, place, spelled, to_decide
from domain.rulebook import Rulebook
from domain.settlement import Row
from domain.sums import History, Sums, less
from ledger import arrivals, histories, schema
from ledger.accepting import BINDING, CLOSE
from ledger.database import chunks
from ledger.errors import LedgerError
from ledger.forecast import Forecast, Question
from ledger.plan_parts import Scope
from ledger.plans import Plan
from ledger.rules import rules_of
from ledger.trusted import reread
from ledger.workspace import Workspace

TOGETHER = 250


def moved(connection: Connection, plan: Plan, scope: Scope, book: Rulebook) -> list[str]:
    """What came since that bears on a plan: patient-months as `tenant/patient/month`; a site, a person, a close, rules by their names.

    Whatever is about the months that were asked for does. Of other months, such as those after a border in which a window ends, only
    what changes what the plan says of them: else no plan could be carried out beside live traffic. Raises LedgerError where the events
    the plan was made on are not all in the ledger.
    """
    rules = rules_of(connection)
    question = Question(rules, rules.beside(book, scope.tenant, *scope.span), everything=False)
    found: set[str] = set()
    now = histories.of(connection, scope.tenants)
    then = {tenant: History(**one) for tenant, one in plan.document["histories"].items()}
    for tenant in sorted(now.keys() | then.keys()):
        events = _since(connection, tenant, then.get(tenant, History()), now.get(tenant, History()))
        if events:
            found |= _Bearing(connection, tenant, scope, plan).of(events, question)
    if rules.last_in(scope.tenant, scope.span.last) != plan.document["activation"]:
        found.add("the rules in force")
    return sorted(found)


def _since(connection: Connection, tenant: str, then: History, now: History) -> list[Event]:
    """The events of a tenant that came after a history, which must be the beginning of the present one."""
    t = schema.events.c
    last = select(t.source, t.id, t.digest, t.raw).where(t.tenant == tenant).order_by(t.seq.desc()).limit(max(now.events - then.events, 0))
    rows = connection.execute(last).all() if now != then else []
    sums = Sums()
    for source, identifier, digest, _ in rows:
        sums.add(tenant, source, identifier, digest)
    if less(now, dict(sums.histories()).get(tenant, History())) != then:
        raise LedgerError(f"the plan was made on events of {tenant} that are not in this ledger; name the ledger it was made on with --db")
    words: frozenset[str] = frozenset()
    return [reread(raw, words) for _, _, _, raw in rows]


class _Bearing:
    """What events of a tenant bear on. `beside` are patients with something new in months that were not asked for."""

    def __init__(self, connection: Connection, tenant: str, scope: Scope, plan: Plan) -> None:
        self.connection = connection
        self.tenant = tenant
        self.span = scope.span
        self.work = Workspace(connection)
        self.beside: set[str] = set()
        self.told: dict[str, list[Row]] = {}
        for row in plan.changes:
            if row["tenant"] == tenant and not self.span.holds(row["month"]):
                self.told.setdefault(f"{tenant}/{row['patient_id']}", []).append(row)

    def of(self, events: Sequence[Event], question: Question) -> set[str]:
        """The names of what they bear on, what they take out included."""
        gone = [(self.tenant, identity) for event in events for identity in arrivals.target_of(event)]
        taken = [reread(raw, ()) for raw in arrivals.stored_raw(self.connection, gone)] if gone else []
        self.work.load_patients(f"{self.tenant}/{event.subject}" for event in (*events, *taken) if place(event) is not None)
        found = {name for event in (*events, *taken) for name in self._named(event)}
        return found | set(self._otherwise(question))

    def _named(self, event: Event) -> Iterator[str]:
        placed = place(event)
        if event.type == CLOSE:
            if self.span.holds(event.data.month):
                yield f"the close of {event.data.month} in {self.tenant}"
            self.beside |= self.told.keys()
        elif event.type in BINDING:
            yield f"{self.tenant}/{event.subject} (a site or person)"
        elif placed is not None:
            patient = f"{self.tenant}/{event.subject}"
            document = self.work.patients[patient]
            marks: Sequence[str] = to_decide(placed, months_of(placed.low, placed.high))
            here = set(months_of(placed.low, placed.high)) if placed.reach == "span" else set()
            months = here | {month for mark in marks for month in spelled(mark, document.months, document.facts)}
            yield from (f"{patient}/{month}" for month in months if self.span.holds(month))
            if not all(map(self.span.holds, months)):
                self.beside |= {patient, *self.told}

    def _otherwise(self, question: Question) -> Iterator[str]:
        """Months beside those asked for of which the plan no longer says what is so."""
        if not self.beside:
            return
        forecast = Forecast(self.connection, self.tenant, question)
        for keys in chunks(sorted(self.beside), TOGETHER):
            now: dict[str, list[Row]] = {}
            for month, change in forecast.of(keys):
                if not self.span.holds(month.month):
                    now.setdefault(f"{self.tenant}/{month.patient}", []).append(change.row(month))
            for key in keys:
                one, other = now.get(key, []), self.told.get(key, [])
                yield from (f"{key}/{row['month']}" for row in (*one, *other) if row not in one or row not in other)
