"""Which rules a ledger is decided by, tenant by tenant and month by month: rule sets are stored whole with what they decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, bindparam, select

from domain.calendar import month_days, shift_month
from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_stitch import FOR_EVER, NEVER, Part, stitch
from domain.rulebook_vocabulary import padded, union
from domain.settlement import ADJUSTMENT, cents_of
from domain.vocabulary import Vocabulary
from ledger import activations, locks, schema
from ledger.activations import Activation
from ledger.database import ask, insert_new, upsert_all
from ledger.errors import LedgerError, RulesDifferError
from ledger.retry import look, transaction
from ledger.rule_folders import PACKAGED, RuleFileError, packaged_fingerprint

LATER: Final = "9999-12"
"""Stands for the months to come."""
_O: Final = schema.outbox.c
_PROPOSED: Final = (
    select(_O.sequence, _O.event)
    .where(_O.type == ADJUSTMENT, _O.sequence > bindparam("after"), _O.sequence <= bindparam("last"))
    .order_by(_O.sequence)
    .limit(1000)
)
"""Not by a cursor of the server's, which no pipeline takes."""
_FILES: Final = "rules/"
"""Settings of this name and a digest of rule files tell which rule set they make, so that the usual case parses none of them."""


class Rules:
    """The rule sets of a ledger and where each holds. What is at hand is brought up to date within each transaction that decides."""

    def __init__(self) -> None:
        self.rows: list[Activation] = []
        self.books: dict[str, Rulebook] = {}
        self._visible: list[Activation] = []
        self._found: dict[tuple[str, str], Rulebook] = {}
        self._words: Vocabulary | None = None
        self._undone: dict[tuple[int, ...], dict[str, int]] = {}

    def refresh(self, connection: Connection) -> None:
        """Learn of activations since the last time; asked under the lock of the tenants that are decided."""
        new = activations.after(connection, self.rows[-1].seq if self.rows else 0)
        if not new:
            return
        for digest in {row.digest for row in new} - self.books.keys():
            self.books[digest] = stored_book(connection, digest)
        self.rows += new
        if len(self.books) > 1:
            self.books = {digest: padded(book, self.books.values()) for digest, book in self.books.items()}
        self._visible = activations.visible(self.rows)
        self._found.clear()
        self._words = None

    def row(self, tenant: str, month: str) -> Activation:
        """The activation that decides a tenant's month."""
        return next(row for row in self._visible if row.covers(tenant, month))

    def at(self, tenant: str, month: str) -> Rulebook:
        """The rules that decide a tenant's month, under the name of the set that holds then; it looks at other months by theirs."""
        found = self._found.get((tenant, month))
        if found is None:
            found = self._found[tenant, month] = stitch(self._parts(tenant), self.books[self.row(tenant, month).digest])
        return found

    def times(self, tenant: str, month: str) -> list[int]:
        """When it was said which rules hold for a tenant's month: epoch seconds, those of what was taken back included."""
        return [row.at for row in self.rows if self._scope(row).covers(tenant, month)]

    def _scope(self, row: Activation) -> Activation:
        return row if row.reverts is None else self.number(row.reverts)

    def _parts(self, tenant: str) -> list[Part]:
        """The rule sets of a tenant, each with the first and last day on which it holds."""
        mine = [row for row in self._visible if row.tenant in (None, tenant)]
        turns = {row.first for row in mine if row.first} | {shift_month(row.last, 1) for row in mine if row.last}
        parts: list[Part] = []
        for month in ("0001-01", *sorted(turns)):
            book, first = self.books[self.row(tenant, month).digest], month_days(month)[0]
            if parts and parts[-1][2].digest == book.digest:
                continue
            if parts:
                parts[-1] = (parts[-1][0], first - 1, parts[-1][2])
            parts.append((first if parts else NEVER, FOR_EVER, book))
        return parts

    def latest(self, tenant: str = "") -> Rulebook:
        """The rule set that decides the months to come."""
        return self.at(tenant, LATER)

    def name(self, digest: str) -> str:
        """The id of a rule set that decides or decided something."""
        return self.books[digest].id

    def number(self, seq: int) -> Activation:
        """An activation by its number."""
        return next(row for row in self.rows if row.seq == seq)

    def acts(self, causes: Iterable[str]) -> list[Activation]:
        """The activations among the causes of something due, the first first."""
        return sorted(self.number(int(cause.removeprefix(activations.CAUSE))) for cause in causes if cause.startswith(activations.CAUSE))

    def cause(self, causes: Collection[str], deciding: str) -> dict[str, Any]:
        """What an adjustment names as its cause: events, or the rule set that was put in force, with the plan it was part of.

        Where rules were taken back it is the one that is `deciding` now.
        """
        events, acts = [cause.replace("\t", "|") for cause in causes if not cause.startswith(activations.CAUSE)], self.acts(causes)
        told: dict[str, Any] = {"events": sorted(events)} if events or not acts else {}
        for act in acts:
            told |= {"rule_set": deciding if act.reverts else self.books[act.digest].id, "plan": act.plan}
            told |= {"reverts": act.reverts} if act.reverts else {}
        return told

    def undone(self, connection: Connection, acts: Sequence[Activation]) -> Mapping[str, int]:
        """US cents proposed between rules being put in force and these activations, which take them back, by line id.

        Added up once for all patient-months: it may be as many lines as there are.
        """
        key = tuple(act.seq for act in acts)
        if key not in self._undone:
            found = dict[str, int]()
            for act in acts:
                for line, cents in self._proposed_since(connection, act):
                    found[line] = found.get(line, 0) + cents
            self._undone[key] = found
        return self._undone[key]

    def _proposed_since(self, connection: Connection, act: Activation) -> Iterator[tuple[str, int]]:
        after = self.number(act.reverts or 0).sent
        while rows := ask(connection, _PROPOSED, after=after, last=act.sent):
            for _, event in rows:
                data = orjson.loads(event)["data"]
                yield data["line_id"], cents_of(data["amount_delta"]) or 0
            after = rows[-1][0]

    def beside(self, book: Rulebook, tenant: str | None, first: str | None, last: str | None) -> Rules:
        """These rules as they would be with one more activation."""
        other = Rules()
        seq = self.rows[-1].seq + 1
        other.books = {digest: padded(one, [*self.books.values(), book]) for digest, one in {**self.books, book.digest: book}.items()}
        other.rows = [*self.rows, Activation(seq, tenant, first, last, book.digest, None, None, "", "", 0)]
        other._visible = activations.visible(other.rows)
        return other

    def without(self, seq: int) -> Rules:
        """These rules as they would be with one activation taken back."""
        other = Rules()
        other.books = self.books
        back = self.number(seq)._replace(seq=self.rows[-1].seq + 1, reverts=seq)
        other.rows = [*self.rows, back]
        other._visible = activations.visible(other.rows)
        return other

    def deciding(self, tenants: Iterable[str], first: str | None, last: str | None) -> list[str]:
        """Digests of the rule sets that decide some of these tenants' months from `first` to `last`, sorted."""
        found: set[str] = set()
        for tenant in tenants:
            turns = {first or "0001-01", *(row.first for row in self._visible if row.first)}
            turns |= {shift_month(row.last, 1) for row in self._visible if row.last}
            found |= {self.row(tenant, month).digest for month in turns if (first or "") <= month <= (last or LATER)}
        return sorted(found)

    def last_in(self, tenant: str | None, last: str | None) -> int:
        """The number of the last activation about months up to `last`, what took one back included: windows begin in earlier months."""
        return max(row.seq for row in self.rows if self._scope(row).meets(tenant, None, last))

    @property
    def in_force(self) -> set[str]:
        """Digests of the rule sets that decide something."""
        return {row.digest for row in self._visible}

    @property
    def words(self) -> Vocabulary:
        """What events may name: the words of all rule sets that ever decided something, since events that name them are on file."""
        if self._words is None:
            self._words = union(self.books.values())
        return self._words


def rules_of(connection: Connection) -> Rules:
    """The rules as a transaction sees them; without any rows in a ledger that is new."""
    rules = Rules()
    rules.refresh(connection)
    return rules


def rules_for(engine: Engine, directory: Path | None = None) -> Rules:
    """The ledger's rules; a new ledger takes on the program's. Raises RulesDifferError where the two do not go together.

    A directory that was named must hold a rule set that decides something in the ledger. The rules that the program comes with need only
    have decided once: what took their place was put there by someone.
    """
    files = directory or PACKAGED
    fingerprint = _fingerprint(files)

    def held(connection: Connection) -> tuple[Rules, str | None]:
        return rules_of(connection), _setting(connection, f"{_FILES}{fingerprint}")

    rules, carried = look(engine, held)
    if not rules.rows:
        return _begun(engine, load(files), fingerprint)
    if carried is None:
        carried = load(files).digest
    accepted = {row.digest for row in rules.rows} if directory is None else rules.in_force
    if carried not in accepted:
        raise _differ(load(files), rules)
    return rules


def ledger_rules(engine: Engine) -> Rules:
    """The rules a ledger is decided by, whatever the program carries; raises LedgerError for a ledger without any."""
    rules = look(engine, rules_of)
    if not rules.rows:
        raise LedgerError("nothing was ever taken into this ledger, so no rules hold in it yet; ingest events first")
    return rules


def _begun(engine: Engine, carried: Rulebook, fingerprint: str) -> Rules:
    """The rules of a new ledger: the program's, unless another one was quicker."""

    def begin(connection: Connection) -> Rules:
        locks.setup(connection)
        rules = rules_of(connection)
        if not rules.rows:
            store(connection, carried)
            upsert_all(connection, schema.settings, [{"name": f"{_FILES}{fingerprint}", "value": carried.digest}])
            first = Activation(0, None, None, None, carried.digest, None, None, activations.PROGRAM, activations.FIRST_REASON, 0)
            activations.append(connection, first)
            rules.refresh(connection)
        elif carried.digest not in rules.in_force:
            raise _differ(carried, rules)
        return rules

    return transaction(engine, begin)


def _differ(carried: Rulebook, rules: Rules) -> RulesDifferError:
    held = rules.latest()
    return RulesDifferError(
        f"the ledger was decided by rule set {held.id} ({held.digest[:12]}), "
        f"this program carries {carried.id} ({carried.digest[:12]}); point --rules to the rules of the ledger, "
        "or see with `caremonth replay plan --rules DIR --out PLAN` what the other rules would change, and carry that out"
    )


def load(directory: Path) -> Rulebook:
    """The rules in a directory; raises LedgerError with file and line where they cannot be followed."""
    from ledger.rule_files import load_rulebook

    try:
        return load_rulebook(directory)
    except (RuleFileError, OSError) as error:
        raise LedgerError(f"the rule files cannot be followed: {error}") from None


def store(connection: Connection, rulebook: Rulebook) -> None:
    """Store a rule set whole, under its id; one whose id another set has is to have been `named` before."""
    document = orjson.dumps(rulebook.document, option=orjson.OPT_SORT_KEYS)
    insert_new(connection, schema.rule_sets, [{"digest": rulebook.digest, "id": rulebook.id, "document": document}])


def named(connection: Connection, rulebook: Rulebook) -> Rulebook:
    """The rule set under an id that no other set of the ledger has: with a part of its digest where the files' id is taken."""
    t = schema.rule_sets.c
    ids = {row.digest: row.id for row in connection.execute(select(t.digest, t.id))}
    if rulebook.digest in ids:
        return replace(rulebook, id=ids[rulebook.digest])
    return replace(rulebook, id=f"{rulebook.id}+{rulebook.digest[:8]}") if rulebook.id in ids.values() else rulebook


def stored_book(connection: Connection, digest: str) -> Rulebook:
    """A stored rule set; raises LedgerError where there is none of this digest."""
    t = schema.rule_sets.c
    row = connection.execute(select(t.id, t.document).where(t.digest == digest)).first()
    if row is None:
        raise LedgerError(f"the ledger names a rule set {digest[:12]} that is not in it; restore the ledger from a copy")
    return replace(_compiled(row.document), id=row.id)


@lru_cache(maxsize=8)
def _compiled(document: bytes) -> Rulebook:
    """The rule set of stored bytes; whoever looks at the rules anew, as each plan and each activation does, finds the same ones again."""
    return compile_rulebook(orjson.loads(document))


def _setting(connection: Connection, name: str) -> str | None:
    value: str | None = connection.execute(select(schema.settings.c.value).where(schema.settings.c.name == name)).scalar()
    return value


def _fingerprint(directory: Path) -> str:
    try:
        return packaged_fingerprint(directory)
    except OSError as error:
        raise LedgerError(f"the rule files cannot be read: {error.strerror}: {error.filename}") from None
