"""The ledger: events in, decisions out, on one database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, select

from domain.alerts import immune_close
from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from ledger import arrivals, reading, schema
from ledger.accepting import CLOSE, Acceptance
from ledger.arrivals import Arrival, Fate, Input, Parked, Summary
from ledger.calm import calm
from ledger.database import chunks, connect, writing
from ledger.marks import is_due, take_due
from ledger.outbox import Outbox
from ledger.rules import rulebook_for
from ledger.settling import Settlement
from ledger.workspace import Workspace

BATCH: Final = 8_000
SETTLE_AFTER: Final = 100_000
BATCHES_READ: Final = 3
"""Batches read at once, to be taken in by patient: each document is then rewritten once for all its events among them."""
CHUNK: Final = 2_000


class Ledger:
    """One ledger. All that changes it goes through here, one transaction a batch."""

    def __init__(self, engine: Engine, rules: Path | None = None) -> None:
        self.engine = engine
        self._rules = rules
        self._rulebook: Rulebook | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.engine.dispose()

    @property
    def rulebook(self) -> Rulebook:
        """The rules the ledger is decided by; raises RulesDifferError when the program carries others."""
        if self._rulebook is None:
            self._rulebook = rulebook_for(self.engine, self._rules)
        return self._rulebook

    def ingest(
        self,
        inputs: Iterable[Input],
        *,
        batch: int = BATCH,
        settle_after: int = SETTLE_AFTER,
        progress: Callable[[Summary], None] | None = None,
    ) -> Summary:
        """Take events in, a transaction a batch, and decide all that is due; `progress` hears after each portion read.

        What a batch makes due waits in the ledger until about `settle_after` events are in, or all, or a month is closed: a long file then
        decides a patient-month a few times instead of with every batch.
        """
        total, undecided = Summary(), 0
        iterator = iter(inputs)
        words = vocabulary(self.rulebook)
        with calm():
            while part := list(islice(iterator, batch * BATCHES_READ)):
                for run in _between_closes(arrivals.read(part, words)):
                    for some in _by_patient(run, batch):
                        total += Summary.of(self._accept(some))
                undecided += len(part)
                if undecided >= settle_after:
                    self.settle()
                    undecided = 0
                if progress is not None:
                    progress(total)
            self.settle()
        return total

    def read(self, inputs: Iterable[Input]) -> list[Arrival | Parked]:
        """Validate inputs for `take`; of the ledger only the rules' words are needed."""
        return arrivals.read(inputs, vocabulary(self.rulebook))

    def take(self, read: Sequence[Arrival | Parked]) -> list[Fate]:
        """Take validated input in and tell what became of each, in the order given; `settle` decides what is due by it.

        All of it is committed when this returns. Where it raises, the runs before the failing one are committed: the same again is safe.
        """
        return [fate for run in _between_closes(read) for fate in self._accept(run)]

    def _accept(self, run: Sequence[Arrival | Parked]) -> list[Fate]:
        """One transaction: accept, decide, write. A run is either one close or holds none.

        What was due before a close is decided in the close's own transaction, so that no other writer comes between.
        """
        closes = any(isinstance(one, Arrival) and one.event.type == CLOSE for one in run)
        with writing(self.engine) as connection:
            if closes:
                self._drain(connection)
            return self._take(connection, run)

    def _take(self, connection: Connection, run: Sequence[Arrival | Parked]) -> list[Fate]:
        fates = arrivals.sort_out(connection, run)
        arrivals.park(connection, [fate for fate in fates if isinstance(fate, Parked)])
        if new := [fate for fate in fates if isinstance(fate, Arrival)]:
            arrivals.store(connection, new)
            self._place(connection, [one.event for one in new])
        return fates

    def _place(self, connection: Connection, events: Sequence[Any]) -> None:
        """Turn new events into facts and queue what must be decided again."""
        acceptance = Acceptance(connection, vocabulary(self.rulebook))
        acceptance.take(events)
        outbox = Outbox(connection)
        for target, by in acceptance.immune:
            alert = immune_close(target.tenant, target.data.month, target.identity, by.identity)
            outbox.add(alert, target.tenant, target.tenant, max(target.time, by.time))
        acceptance.work.save()
        acceptance.marks.queue(connection)
        outbox.save()

    def settle(self) -> None:
        """Decide what is due and carry out closes that wait, in bounded transactions."""
        while self.settle_some() is not None:
            continue

    def settle_some(self, limit: int = CHUNK, after: str = "") -> str | None:
        """One transaction of `settle`, of at most about `limit` patient-months, patients after this key first.

        Returns the key it stopped at, None when nothing was left to do.
        """
        _ = self.rulebook  # a new ledger takes its rules on in a transaction of its own, which would wait for this one
        with writing(self.engine) as connection:
            return self._drain_some(connection, limit, after)

    def _drain(self, connection: Connection) -> None:
        while self._drain_some(connection) is not None:
            continue

    def _drain_some(self, connection: Connection, limit: int = CHUNK, after: str = "") -> str | None:
        """One bounded portion of what waits: closes first, then decisions. None when nothing waits."""
        outbox = Outbox(connection)
        settlement = Settlement(connection, Workspace(connection), self.rulebook, outbox)
        t = schema.closings.c
        keys = [key for (key,) in connection.execute(select(t.month_key).distinct().order_by(t.month_key).limit(limit))]
        if keys:
            settlement.close(keys)
        elif is_due(connection):
            taken = take_due(connection, limit, after)
            after = max(patient for patient, _ in taken)
            settlement.run(settlement.work.expand(taken))
        else:
            return None
        outbox.save()
        return after

    def lines(self, tenant: str | None = None, month: str | None = None, patient: str | None = None) -> list[dict[str, Any]]:
        """Current lines, sorted as the contract has it."""
        return reading.lines(self.engine, tenant, month, patient)

    def explain(self, tenant: str, patient: str, month: str) -> dict[str, Any]:
        """The reason tree of a patient-month; LedgerError for a patient of whom nothing is known."""
        return reading.explain(self.engine, self.rulebook, tenant, patient, month)

    def events(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """Decisions out, in order, after a position."""
        return reading.events(self.engine, after)

    def alerts(self, tenants: Sequence[str] | None = None, after: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Alerts raised, in order; of these tenants, after a position, at most so many."""
        return reading.alerts(self.engine, tenants, after, limit)

    def adjustments(self) -> list[dict[str, Any]]:
        """Adjustments proposed, in order."""
        return reading.adjustments(self.engine)

    def dead_letters(self) -> list[dict[str, Any]]:
        """Parked input, oldest first."""
        return reading.dead_letters(self.engine)

    def retry_dead_letters(self) -> Summary:
        """Take all parked input in again; what is accepted now, or known, leaves the dead letters."""
        with writing(self.engine) as connection:
            letters = connection.execute(select(schema.dead_letters.c.origin, schema.dead_letters.c.raw, schema.dead_letters.c.id)).all()
            connection.execute(schema.dead_letters.delete())
            read = arrivals.read([(origin, raw) for origin, raw, _ in letters], vocabulary(self.rulebook))
            total = Summary()
            for run in _between_closes(read):
                total += Summary.of(self._take(connection, run))
                self._drain(connection)
        return total

    def verify(self) -> list[str]:
        """Recompute everything from the events; the differences to what is stored."""
        from ledger.verify import verify

        return verify(self.engine, self._rules)


def open_ledger(url: str, rules: Path | None = None, *, full_sync: bool = False, create: bool = True) -> Ledger:
    """The ledger at a database URL, made if there is none and `create`; raises LedgerError where it cannot be opened."""
    return Ledger(connect(url, full_sync=full_sync, create=create), rules)


def _by_patient(run: Sequence[Arrival | Parked], size: int) -> Iterator[list[Arrival | Parked]]:
    """The run in batches, those of one patient together; within a patient, and among parked input, the order stays.

    An identity stays where it came first, else its first content would not be the one that holds.
    """
    first: dict[tuple[str, str, str], str] = {}
    keys = [(one.event.tenant, first.setdefault(one.event[:3], one.event.subject)) if isinstance(one, Arrival) else ("", "") for one in run]
    yield from chunks([run[at] for at in sorted(range(len(run)), key=keys.__getitem__)], size)


def _between_closes(read: Sequence[Arrival | Parked]) -> Iterator[Sequence[Arrival | Parked]]:
    """Runs of input in order, each close alone: it must find decided what came before it and bind before what follows."""
    run: list[Arrival | Parked] = []
    for one in read:
        if isinstance(one, Arrival) and one.event.type == CLOSE:
            if run:
                yield run
            yield [one]
            run = []
        else:
            run.append(one)
    if run:
        yield run
