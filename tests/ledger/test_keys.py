"""Many keys asked for at once are looked up one by one in an index, never by looking at every row."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, bindparam, select

from ledger import open_ledger, schema
from ledger.keys import one_of

LOOK_UPS = {
    "identities": select(schema.events.c.digest).where(
        schema.events.c.tenant == bindparam("tenant"), schema.events.c.source == bindparam("source"), one_of(schema.events.c.id)
    ),
    "patients": select(schema.patients).where(one_of(schema.patients.c.key)),
    "months": select(schema.months).where(one_of(schema.months.c.key)),
    "lines of months": select(schema.lines).where(one_of(schema.lines.c.month_key)),
}


@pytest.mark.parametrize("name", LOOK_UPS)
def test_each_key_is_looked_up_in_an_index(name: str) -> None:
    with open_ledger("sqlite://") as ledger, ledger.engine.connect() as connection:
        told = str(LOOK_UPS[name].compile(connection))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {told}", ("x",) * told.count("?")).all()
    assert "SEARCH" in plan[0][3]
    assert plan[0][3].count("=?") == told.count("?")


def test_the_rows_of_the_keys_are_found() -> None:
    with open_ledger("sqlite://") as ledger, ledger.engine.begin() as connection:
        column: Column[str] = schema.settings.c.name
        connection.execute(schema.settings.insert(), [{"name": name, "value": "v"} for name in ("a", 'b"', "c")])
        statement = select(column).where(one_of(column)).order_by(column)
        assert connection.execute(statement, {"keys": ["a", 'b"', "zz"]}).scalars().all() == ["a", 'b"']
