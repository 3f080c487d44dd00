"""Making a replay plan: on one state of the ledger, in parts on all cores, resumable; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import reduce
from os import cpu_count
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, select

from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from domain.settlement import Row
from domain.sums import History
from ledger import histories, plans, schema
from ledger.calm import calm
from ledger.database import chunks, snapshot, told
from ledger.errors import LedgerError
from ledger.extent import Extent
from ledger.forecast import Question
from ledger.marks import of_tenants
from ledger.plan_journal import Journal
from ledger.plan_parts import Done, Part, Scope, Work, alone, exported, parted, processes, run, state_of
from ledger.plans import Totals
from ledger.rules import Rules, named, rules_of

TOGETHER: Final = 50
"""Patients whose facts are in memory at once; fixed, so that a plan begun on one machine is finished alike on another, and few enough that
no process waits long for the last part of another."""
MANY: Final = 1_000
TRIES: Final = 10

Told = Callable[[int, int], None]
"""Hears how many of how many patients are done."""


class _MovedError(Exception):
    """A process saw another state of the ledger than the plan began with."""


class Survey(NamedTuple):
    """One state of the ledger as far as a plan names it."""

    rules: Rules
    book: Rulebook
    histories: dict[str, History]
    parts: list[Part]
    state: str


def make(
    engine: Engine,
    other: Rulebook,
    scope: Scope,
    *,
    everything: bool = False,
    workers: int | None = None,
    journal: Path | None = None,
    progress: Told | None = None,
) -> bytes:
    """The bytes of the plan of putting a rule set in force for a scope. `journal` is where finished parts are kept until all are.

    Raises LedgerError where the rule set cannot be compared, or the ledger moves faster than the plan begins.
    """
    for _ in range(TRIES):
        try:
            return _made(engine, other, scope, everything, workers or cpu_count() or 1, journal, progress)
        except _MovedError:
            continue
    raise LedgerError(f"the ledger was written to each of {TRIES} times the plan began; run it again when less is being ingested")


def _made(
    engine: Engine, other: Rulebook, scope: Scope, everything: bool, workers: int, journal: Path | None, progress: Told | None
) -> bytes:
    with ExitStack() as stack, calm(), told():
        connection = stack.enter_context(snapshot(engine))
        state = survey(connection, other, scope)
        header = header_of(state, scope)
        question = Question(state.rules, state.rules.beside(state.book, scope.tenant, *scope.span), everything)
        kept = stack.enter_context(Journal(journal, header, state.state))
        left = state.parts[len(kept.done) :]
        if workers < 2 or len(left) * TOGETHER < MANY or engine.url.database in (None, "", ":memory:"):
            results = alone(connection, left, Work(question, scope, None))
        else:
            work = Work(question, scope, exported(connection))
            if work.snapshot is None:
                connection.rollback()
                engine.dispose()
            pool = processes(engine, work, workers)
            stack.callback(pool.shutdown, cancel_futures=True)
            results = pool.map(run, left)
        for number, done in enumerate(results, len(kept.done) + 1):
            if done.state != state.state:
                raise _MovedError
            kept.add(done)
            if progress is not None:
                progress(number, len(state.parts))
        return written(header, kept.done, scope)


def survey(connection: Connection, other: Rulebook | None, scope: Scope) -> Survey:
    """What a plan says of the state it is made on; raises LedgerError for a rule set that the ledger's events do not go with."""
    rules = rules_of(connection)
    if not rules.rows:
        raise LedgerError("nothing was ever taken into this ledger, so there is no history to decide again; ingest events first")
    if other is not None:
        require_words(rules, other)
    found = histories.of(connection, scope.tenants)
    if scope.tenant and scope.tenant not in found:
        raise LedgerError("the ledger has no event of this tenant; check the id")
    parts = [part for tenant in found for part in parted(tenant, chunks(_patients(connection, tenant), TOGETHER))]
    book = named(connection, other) if other is not None else rules.latest(scope.tenant or "")
    return Survey(rules, book, found, parts, state_of(connection))


def require_words(rules: Rules, other: Rulebook) -> None:
    """LedgerError where events on file would read differently under the other rules: a program that gets tracks, or loses them."""
    mine, theirs = rules.words, vocabulary(other)
    for program in sorted(mine.programs & theirs.programs):
        if (program in mine.tracks) != (program in theirs.tracks):
            raise LedgerError(
                f"rule set {other.id} gives {program} tracks where the ledger's events have none, or takes them away, so events on file "
                "would mean something else; give the changed program a name of its own"
            )


def _patients(connection: Connection, tenant: str) -> list[str]:
    t = schema.patients.c.key
    return list(connection.execute(select(t).where(*of_tenants(t, [tenant])).order_by(t)).scalars())


def header_of(survey: Survey, scope: Scope) -> Row:
    """What a plan says before its figures."""
    held = survey.rules.deciding(survey.histories or [""], *scope.span)
    told = {tenant: {"events": one.events, "sum": one.sum} for tenant, one in survey.histories.items()}
    return {
        "format": plans.FORMAT,
        "rule_set_from": ", ".join(sorted(survey.rules.books[digest].id for digest in held)),
        "rule_set_from_digests": held,
        "activation": survey.rules.last_in(scope.tenant, scope.span.last),
        "rule_set_to": survey.book.id,
        "rule_set_to_digest": survey.book.digest,
        "legal_status": survey.book.legal_status,
        "history": plans.history_of(told),
        "histories": told,
        "scope": scope.row(),
        "facts": None,
        "rules": dict(survey.book.document),
        "rules_from": {digest: dict(survey.rules.books[digest].document) for digest in held},
    }


def written(header: Row, done: Sequence[Done], scope: Scope) -> bytes:
    """The bytes of a plan whose parts are all done. Its months are those named, else those there are time or readings of."""
    totals = reduce(Totals.together, (one.totals for one in done), Totals())
    found = reduce(Extent.together, (one.extent for one in done), Extent())
    months = [scope.span.first or found.first, scope.span.last or found.last]
    figures = {"months": months, "evaluated": found.evaluated, "totals": totals.row()}
    return plans.write({**header, **figures}, [change for one in done for change in one.changes])
