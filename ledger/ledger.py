"""The ledger: events in, decisions out, on one database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from ledger import arrivals, database, draining, intake, positions, schema, sending
from ledger.accepting import ClosesWaitError
from ledger.arrivals import Arrival, Fate, Input, Parked, Summary
from ledger.calm import calm
from ledger.database import chunks, connect
from ledger.draining import Drain, Page, Portion, Registries
from ledger.intake import CHUNK
from ledger.positions import Claim, Partition
from ledger.reader import Reader
from ledger.retry import look, transaction

BATCH: Final = 8_000
SETTLE_AFTER: Final = 100_000
BATCHES_READ: Final = 3
"""Batches read at once, to be taken in by patient: each document is then rewritten once for all its events among them."""


class Ledger(Reader):
    """One ledger. All that changes it goes through here, one transaction a batch."""

    def __init__(self, engine: Engine, rules: Path | None = None, *, own_rules: bool = False) -> None:
        super().__init__(engine, rules, own_rules=own_rules)
        self._registries: Registries = {}
        self._turn = Page()

    def beside(self) -> Ledger:
        """The same ledger for another thread: what is kept at hand between transactions is its own."""
        return Ledger(self.engine, self._directory, own_rules=self._own_rules)

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
        words = self.words
        with calm():
            while part := list(islice(iterator, batch * BATCHES_READ)):
                for run in intake.between_closes(arrivals.read(part, words)):
                    for some in _by_patient(run, batch):
                        total += Summary.of(self.take(some))
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
        return arrivals.read(inputs, self.words)

    def take(self, read: Sequence[Arrival | Parked], claim: Claim | None = None, *, at_once: bool = False) -> list[Fate]:
        """Take validated input in and tell what became of each, in the order given; `settle` decides what is due by it.

        With `at_once` what is due of its own patients is decided in the same transaction, which for a few events is the quickest.
        All of it is committed when this returns, with the positions of the streams that the `claim` moves; none of it where it raises:
        FencedError where another reader has moved one of them. The same again is safe. What was due before a close is decided before it is
        taken in: most of it in transactions of its own, the rest in the close's, so that no other writer comes between; and what follows a
        close finds it carried out, on nothing but what came before.
        """
        if any(map(intake.is_close, read)):
            self.settle()

        def work(connection: Connection) -> list[Fate]:
            if claim is not None:
                positions.move(connection, claim)
            return intake.take(connection, self.rules, read, self._registries if at_once else None)

        while True:
            try:
                return transaction(self.engine, work, pipeline=True)
            except ClosesWaitError:
                while self._portion(CHUNK, Page(), wait=False).decided or self._portion(1, Page(), wait=True).decided:
                    continue

    def positions(self, topics: Iterable[str]) -> dict[Partition, int]:
        """The next offset of each (topic, partition) of these topics that was ever taken in with a claim."""
        return look(self.engine, lambda connection: positions.of(connection, topics))

    def all_positions(self) -> list[dict[str, Any]]:
        """Every stream's position, with who moved it last and when."""
        with database.reading(self.engine) as connection:
            return positions.listed(connection)

    def accept_loss(self, topic: str, partition: int, offset: int, *, by: str, reason: str) -> int:
        """Go on behind records that expired unread, on someone's word, which is kept; returns how many offsets are given up.

        Raises LedgerError where the ledger is there already.
        """
        return transaction(self.engine, lambda connection: positions.accept_loss(connection, (topic, partition), offset, by, reason))

    def outbox(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Decisions after a number, as they are stored."""
        return look(self.engine, lambda connection: sending.decisions(connection, after, limit), once=True)

    def letters(self, after: int, limit: int) -> list[tuple[int, Parked]]:
        """Parked input after a number."""
        return look(self.engine, lambda connection: sending.letters(connection, after, limit), once=True)

    def unaccounted(self, read: Sequence[Arrival | Parked]) -> list[str]:
        """Origins of input that is neither an accepted event of this content nor in the dead letters."""
        words = self.words
        return look(self.engine, lambda connection: sending.unaccounted(connection, read, words))

    def settle(self) -> None:
        """Decide what is due and carry out closes that wait, in bounded transactions; what another writer is deciding is waited for."""
        while self.settle_some() or self._wait():
            continue

    def settle_some(self, limit: int = CHUNK) -> bool:
        """One transaction of `settle`, of at most about `limit` patient-months; False when nothing was left to do.

        Goes round: each time on from where the last one stopped, or who comes late in the order would wait for as long as others become
        due. Where others write as well, patients whom one of them has at hand are left to the next time.
        """
        _ = self.rules  # a new ledger takes its rules on in a transaction of its own, which would wait for this one
        if not look(self.engine, draining.waits, once=True):
            return False
        start = self._turn
        page: Page | None = start
        while page is not None:
            portion = self._portion(limit, page, wait=False, on=True)
            self._turn = portion.next or Page()
            if portion.decided:
                return True
            page = portion.next
        return start != Page() and self.settle_some(limit)

    def settle_round(self, limit: int = CHUNK, *, sure: bool = False, page: Page | None = None) -> Iterator[bool]:
        """Decide each patient who is due once, a transaction of at most about `limit` patient-months an item: whether it decided anything.

        What becomes due meanwhile, and patients whom another writer has at hand, are left to the next round. Who is `sure` that something
        is due saves the look for it. A round may be done in halves beside each other (`halves`), each from its `page` on.
        """
        page = page or (Page() if sure or look(self.engine, draining.waits, once=True) else None)
        while page is not None:
            portion = self._portion(limit, page, wait=False, on=True)
            yield portion.decided
            page = portion.next

    def halves(self) -> list[Page]:
        """Where two rounds begin that together decide all that is due, each about a half."""
        return look(self.engine, draining.halves)

    @property
    def takes_several(self) -> bool:
        """Whether several may write at once; else each would wait for the one lock, in no order."""
        return database.is_postgres(self.engine)

    def _wait(self) -> bool:
        """Decide what is due of the first patient of all once whoever has the patient is done; False when nothing waits."""
        return any(self._portion(1, page, wait=True).decided for page in (Page(), Page(closes=False)))

    def _portion(self, limit: int, page: Page, *, wait: bool, on: bool = False) -> Portion:
        def work(connection: Connection) -> Portion:
            return Drain(connection, self.rules, self._registries).some(limit, page, wait=wait, on=on)

        return transaction(self.engine, work, pipeline=True)

    def retry_dead_letters(self) -> Summary:
        """Take all parked input in again; what is accepted now, or known, leaves the dead letters, and the rest stays as it was."""
        t = schema.dead_letters.c
        with database.reading(self.engine) as connection:
            letters = connection.execute(select(t.id, t.origin, t.raw).order_by(t.seq)).all()
        read = self.read((letter.origin, letter.raw) for letter in letters)

        def work(connection: Connection) -> Summary:
            fates = intake.take_alone(connection, self.rules, read)
            for some in chunks([one.id for one, fate in zip(letters, fates, strict=True) if not isinstance(fate, Parked)]):
                connection.execute(schema.dead_letters.delete().where(t.id.in_(some)))
            return Summary.of(fates)

        total = transaction(self.engine, work)
        self.settle()
        return total

    def verify(self) -> list[str]:
        """Recompute everything from the events; the differences to what is stored."""
        from ledger.verify import verify

        return verify(self.engine, self._directory)


def open_ledger(url: str, rules: Path | None = None, *, full_sync: bool = False, create: bool = True, own_rules: bool = False) -> Ledger:
    """The ledger at a database URL, made if there is none and `create`; raises LedgerError where it cannot be opened.

    With `own_rules` it is worked on whatever rules the program carries: none of those decides anything then.
    """
    return Ledger(connect(url, full_sync=full_sync, create=create), rules, own_rules=own_rules)


def _by_patient(run: Sequence[Arrival | Parked], size: int) -> Iterator[list[Arrival | Parked]]:
    """The run in batches, those of one patient together; within a patient, and among parked input, the order stays.

    An identity stays where it came first, else its first content would not be the one that holds.
    """
    first: dict[tuple[str, str, str], str] = {}
    keys = [(one.event.tenant, first.setdefault(one.event[:3], one.event.subject)) if isinstance(one, Arrival) else ("", "") for one in run]
    yield from chunks([run[at] for at in sorted(range(len(run)), key=keys.__getitem__)], size)
