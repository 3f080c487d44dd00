"""Validated input into the ledger, within one transaction: new events, dead letters, facts, and marks of what must be decided again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from domain.alerts import immune_close
from domain.event import Event
from ledger import arrivals, locks
from ledger.accepting import CLOSE, Acceptance
from ledger.arrivals import Arrival, Fate, Parked
from ledger.draining import Drain, Registries
from ledger.marks import due_of
from ledger.outbox import Outbox
from ledger.rules import Rules
from ledger.settling import Settlement

Run = Sequence[Arrival | Parked]
CHUNK = 2_000
"""Patient-months decided together."""


def take(connection: Connection, rules: Rules, read: Run, known: Registries | None = None) -> list[Fate]:
    """Take input in, in order, and tell what became of each; with `known` (`ledger.settling`) decide at once what is due of its patients.

    Where a close is among it, this transaction has the tenants to itself: what was due before a close is decided before it is taken in,
    and what follows it finds it carried out. Raises ClosesWaitError where a close waits from before.
    """
    if any(is_close(one) for one in read):
        return take_alone(connection, rules, read)
    return _take(connection, rules, read, known)


def take_alone(connection: Connection, rules: Rules, read: Run) -> list[Fate]:
    """Take input in and decide all that is due before each close in it, with no other writer of its tenants between."""
    tenants = {one.event.tenant for one in read if isinstance(one, Arrival)}
    locks.tenants(connection, tenants, alone=True)
    locks.gate(connection)
    fates: list[Fate] = []
    for run in between_closes(read):
        drain = Drain(connection, rules, None)
        if is_close(run[0]):
            drain.all_of(tenants, CHUNK)
        elif tenants:
            drain.closes_of(tenants, CHUNK)
        fates += _take(connection, rules, run)
    return fates


def _take(connection: Connection, rules: Rules, run: Run, known: Registries | None = None) -> list[Fate]:
    fates = arrivals.sort_out(connection, run)
    outbox = Outbox(connection)
    confirm = None
    if new := [fate for fate in fates if isinstance(fate, Arrival)]:
        events = [one.event for one in new]
        acceptance = _placed(connection, rules, events, outbox, saves=known is None)
        _decide(connection, rules, acceptance, outbox, known)
        arrivals.store(connection, new)
        confirm = acceptance.confirming(events)
    arrivals.park(connection, [fate for fate in fates if isinstance(fate, Parked)])
    outbox.save()
    if confirm is not None:
        confirm()
    return fates


def _placed(connection: Connection, rules: Rules, events: Sequence[Event], outbox: Outbox, *, saves: bool) -> Acceptance:
    """Turn new events into facts."""
    acceptance = Acceptance(connection, rules.words, saves=saves)
    acceptance.take(events)
    for target, by, time in acceptance.immune:
        alert = immune_close(target.tenant, target.data.month, target.identity, by)
        outbox.add(alert, target.tenant, target.tenant, max(target.time, time))
    return acceptance


def _decide(connection: Connection, rules: Rules, acceptance: Acceptance, outbox: Outbox, known: Registries | None) -> None:
    """Queue what must be decided again; or decide what is due of the patients at hand, whose documents then are written once and not twice.

    Never with registrations of this transaction's own: what is known of them at once must not outlive it.
    """
    work = acceptance.work
    if known is None or acceptance.is_binding:
        acceptance.marks.queue(connection)
        return
    mine = acceptance.marks.part(work.patients)
    acceptance.marks.queue(connection)
    due = due_of(connection, work.patients)
    rules.refresh(connection)
    for key, causes in due().items():
        mine.setdefault(key, set()).update(causes)
    Settlement(connection, work, rules, outbox, known).run(work.expand(mine))


def is_close(one: Arrival | Parked) -> bool:
    """Whether the input closes a month."""
    return isinstance(one, Arrival) and one.event.type == CLOSE


def between_closes(read: Run) -> Iterator[Run]:
    """Runs of input in order, each close alone: it must find decided what came before it and bind before what follows."""
    run: list[Arrival | Parked] = []
    for one in read:
        if is_close(one):
            if run:
                yield run
            yield [one]
            run = []
        else:
            run.append(one)
    if run:
        yield run
