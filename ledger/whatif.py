"""A plan of other facts: what would stand if some events had not come, beside what stands.

The events that remain are taken into a ledger of their own, by the ordinary way and under the same rules or others, which is then thrown
away. Such a plan can be shown and not carried out: whoever doubts events retracts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, func, insert, select

from domain.calendar import utc_text
from domain.changes import Change, between
from domain.lines import Key
from domain.rulebook import Rulebook
from domain.settlement import PatientMonth, Row, Stored
from ledger import plans, schema
from ledger.activations import Activation
from ledger.database import chunks, reading, writing
from ledger.errors import LedgerError
from ledger.extent import Extent, extent
from ledger.ledger import Ledger, open_ledger
from ledger.marks import of_tenants
from ledger.plan_parts import Done, Scope, is_shown
from ledger.planning import Survey, Told, header_of, survey, written
from ledger.settling import stored_line

TOGETHER: Final = 500


class Facts(NamedTuple):
    """Which events are left out: all of some sources, all recorded after an instant (epoch seconds)."""

    without: tuple[str, ...] = ()
    as_of: int | None = None

    def row(self) -> Row:
        """As a plan has it."""
        return {"without": sorted(self.without), "as_of": None if self.as_of is None else utc_text(self.as_of)}


def make(engine: Engine, other: Rulebook | None, scope: Scope, facts: Facts, progress: Told | None = None) -> bytes:
    """The bytes of the plan of these facts, under another rule set where one is given. Raises LedgerError for an unknown source."""
    with reading(engine) as connection, TemporaryDirectory(prefix="caremonth-what-if-") as folder:
        found = survey(connection, other, scope)
        _require_known(connection, facts)
        with open_ledger(f"sqlite:///{Path(folder) / 'ledger.db'}", own_rules=True) as second:
            _begin(connection, second, found, other, scope)
            second.ingest(_events(connection, scope, facts, progress))
            with reading(second.engine) as there:
                parts = [_done(connection, there, tenant, keys, scope) for tenant, keys in _patients(connection, there, scope)]
        counted = extent(connection, scope.span, *of_tenants(schema.months.c.key, scope.tenants))
        parts.append(Done("", [], plans.Totals(), counted))
        return written({**header_of(found, scope), "facts": facts.row(), **({"rules": None} if other is None else {})}, parts, scope)


def _require_known(connection: Connection, facts: Facts) -> None:
    t = schema.events.c
    for source in facts.without:
        if connection.execute(select(t.seq).where(t.source == source).limit(1)).first() is None:
            raise LedgerError(f"the ledger has no event of the source {source}; check how it is written in the events")


def _begin(connection: Connection, second: Ledger, found: Survey, other: Rulebook | None, scope: Scope) -> None:
    """Give the second ledger the rules of the first, and the other ones on top."""
    rows: list[Activation] = list(found.rules.rows)
    if other is not None:
        rows.append(Activation(rows[-1].seq + 1, scope.tenant, *scope.span, found.book.digest, None, None, "", "", 0))
    with writing(second.engine) as there:
        for row in connection.execute(select(schema.rule_sets)).mappings():
            there.execute(insert(schema.rule_sets).values(**row))
        if other is not None and found.book.digest not in found.rules.books:
            document = orjson.dumps(found.book.document, option=orjson.OPT_SORT_KEYS)
            there.execute(insert(schema.rule_sets).values(digest=found.book.digest, id=found.book.id, document=document))
        there.execute(insert(schema.activations), [row._asdict() for row in rows])


def _events(connection: Connection, scope: Scope, facts: Facts, progress: Told | None) -> Iterator[tuple[str, bytes]]:
    t = schema.events.c
    wanted = [t.tenant == scope.tenant] if scope.tenant else []
    if facts.without:
        wanted.append(t.source.not_in(facts.without))
    if facts.as_of is not None:
        wanted.append(t.time <= facts.as_of)
    total = connection.execute(select(func.count()).select_from(schema.events).where(*wanted)).scalar() or 0
    statement = select(t.raw).where(*wanted).order_by(t.seq).execution_options(yield_per=1000)
    for number, (raw,) in enumerate(connection.execute(statement), 1):
        if progress is not None and number % 1000 == 0:
            progress(number, total)
        yield "events", raw


def _patients(one: Connection, other: Connection, scope: Scope) -> Iterator[tuple[str, list[str]]]:
    """The patients with lines here or there, by tenant, in order."""
    t = schema.lines.c
    wanted = [t.tenant == scope.tenant] if scope.tenant else []
    pairs = {tuple(row) for side in (one, other) for row in side.execute(select(t.tenant, t.patient).where(*wanted).distinct())}
    for tenant in sorted({tenant for tenant, _ in pairs}):
        for some in chunks(sorted(patient for name, patient in pairs if name == tenant), TOGETHER):
            yield tenant, some


def _done(one: Connection, other: Connection, tenant: str, patients: Sequence[str], scope: Scope) -> Done:
    before, after = _lines(one, tenant, patients), _lines(other, tenant, patients)
    found: list[tuple[PatientMonth, Change]] = []
    for patient, month in sorted(before.keys() | after.keys()):
        if scope.span.holds(month):
            key = (patient, month)
            some = between(before.get(key, {}), after.get(key, {}))
            found += [(PatientMonth(tenant, patient, month), change) for change in some if is_shown(scope, change)]
    return Done("", plans.rows(found), plans.totals_of(change for _, change in found), Extent())


def _lines(connection: Connection, tenant: str, patients: Sequence[str]) -> dict[tuple[str, str], dict[Key, Stored]]:
    t = schema.lines.c
    found: dict[tuple[str, str], dict[Key, Stored]] = {}
    for row in connection.execute(select(schema.lines).where(t.tenant == tenant, t.patient.in_(list(patients)))).mappings():
        stored = stored_line(row)
        found.setdefault((row["patient"], row["month"]), {})[stored.key] = stored
    return found
