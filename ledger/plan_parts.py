"""The parts of a replay plan: some patients each, decided on one state of the ledger by this process or by several."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, Engine, func, select

from domain.changes import Change
from domain.settlement import Row
from ledger import locks, plans, schema
from ledger.database import connect, is_postgres
from ledger.extent import Extent, Span, extent
from ledger.forecast import Forecast, Question
from ledger.plans import Totals


class Scope(NamedTuple):
    """What a plan is about: a tenant (None: all), its months, and what is shown of it."""

    tenant: str | None = None
    span: Span = Span(None, None)
    site: str | None = None
    family: str | None = None

    @property
    def tenants(self) -> list[str]:
        """The tenant, alone; none stands for all."""
        return [self.tenant] if self.tenant else []

    def row(self) -> Row:
        """As a plan has it."""
        return {"tenant": self.tenant, "from": self.span.first, "to": self.span.last, "site": self.site, "family": self.family}

    @classmethod
    def of(cls, row: Row) -> Scope:
        """As it was."""
        return cls(row["tenant"], Span(row["from"], row["to"]), row["site"], row["family"])


class Part(NamedTuple):
    """Some patients of a tenant, by their keys, and a stretch of the keys of months, `low` to before `high`, that is counted with them.

    The stretches leave none out; they are not those patients', since keys of months are in another order than keys of patients.
    """

    tenant: str
    keys: tuple[str, ...]
    low: str
    high: str


def parted(tenant: str, groups: Iterable[Sequence[str]]) -> list[Part]:
    """The parts of a tenant whose patients come in these groups."""
    listed = list(groups)
    bounds = [f"{tenant}/", *sorted(f"{keys[0]}/" for keys in listed[1:]), f"{tenant}0"]
    return [Part(tenant, tuple(keys), low, high) for keys, low, high in zip(listed, bounds, bounds[1:], strict=False)]


class Done(NamedTuple):
    """What came of a part; `state` is a digest of the state of the ledger it saw."""

    state: str
    changes: list[bytes]
    totals: Totals
    extent: Extent


class Work(NamedTuple):
    """What the processes share."""

    question: Question
    scope: Scope
    snapshot: str | None


def state_of(connection: Connection) -> str:
    """A digest of all that decisions on any patient-month rest on, and of what stands decided."""
    counts = [
        connection.execute(select(func.count()).select_from(table)).scalar() for table in (schema.due, schema.closings, schema.activations)
    ]
    numbers = [locks.number(connection, name) for name in (locks.EVENTS, locks.OUTBOX, locks.CLOSURES)]
    return sha256(orjson.dumps([counts, numbers])).hexdigest()


def alone(connection: Connection, parts: Sequence[Part], work: Work) -> Iterator[Done]:
    forecasts: dict[str, Forecast] = {}
    state = state_of(connection)
    return (_answered(connection, part, work, forecasts, state) for part in parts)


def _answered(connection: Connection, part: Part, work: Work, forecasts: dict[str, Forecast], state: str) -> Done:
    if part.tenant not in forecasts:
        forecasts[part.tenant] = Forecast(connection, part.tenant, work.question)
    found = forecasts[part.tenant].of(part.keys)
    shown = [(month, change) for month, change in found if is_shown(work.scope, change)]
    counted = extent(connection, work.scope.span, schema.months.c.key >= part.low, schema.months.c.key < part.high)
    return Done(state, plans.rows(shown), plans.totals_of(change for _, change in shown), counted)


def is_shown(scope: Scope, change: Change) -> bool:
    """Whether a plan of this scope shows the change."""
    here = scope.site is None or scope.site in (change.before[2], change.after[2])
    return here and scope.family in (None, change.key[0])


def exported(connection: Connection) -> str | None:
    """The name under which other connections see the same state; None on SQLite, where they look for themselves."""
    return str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()) if is_postgres(connection) else None


def processes(engine: Engine, work: Work, workers: int) -> ProcessPoolExecutor:
    url = engine.url.render_as_string(hide_password=False)
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(url, work))


class _Process(NamedTuple):
    connection: Connection
    work: Work
    forecasts: dict[str, Forecast]
    state: str


_process: list[_Process] = []


def _start(url: str, work: Work) -> None:
    """Begin a process's one transaction, which stays open: all parts are of one state."""
    connection = connect(url, create=False).connect()
    if work.snapshot is not None:
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    connection.begin()
    if work.snapshot is not None:
        from ledger.postgres import unhurried

        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{work.snapshot}'")
        unhurried(connection)
    gc.freeze()
    gc.disable()
    _process[:] = [_Process(connection, work, {}, state_of(connection))]


def run(part: Part) -> Done:
    one = _process[0]
    return _answered(one.connection, part, one.work, one.forecasts, one.state)
