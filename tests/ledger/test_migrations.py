"""A ledger that an earlier version of the program filled is brought to the present schema, with what waits in it."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select

from ledger import Ledger, LedgerError, Summary, open_ledger, schema
from ledger.database import HEAD, connect, reading
from tests.ledger.crowd import adjusted, figures

FILLED = Path(__file__).parents[1] / "data" / "ledger-0001.sql.gz"
"""Six stories of `tests.ledger.crowd` with closes and a broken line, as version 0001 kept them; the last third undecided."""


@pytest.fixture
def filled(tmp_path: Path) -> str:
    """The URL of a ledger of version 0001, without the rules: it is decided on by those of today."""
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.executescript(gzip.decompress(FILLED.read_bytes()).decode())
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert database.execute("SELECT count(*) FROM due").fetchone()[0] > 10
    return f"sqlite:///{tmp_path}/old.db"


def test_a_filled_ledger_is_brought_up_and_goes_on(filled: str) -> None:
    """What was due is decided, nothing differs from the events, and it comes to what a fresh ledger makes of the same input."""
    with open_ledger(filled, create=False) as ledger:
        old, before = list(ledger.events()), ledger.dead_letters()
        ledger.ingest([])
        assert ledger.verify() == []
        assert list(ledger.events())[: len(old)] == old
        assert ledger.dead_letters() == before
        with reading(ledger.engine) as connection:
            raw = [("again", one) for (one,) in connection.execute(select(schema.events.c.raw).order_by(schema.events.c.seq))]
        assert ledger.ingest(raw) == Summary(0, len(raw), 0)
        with open_ledger("sqlite://") as fresh:
            fresh.ingest(raw)
            assert {line["line_id"]: line["code"] for line in figures(ledger)} == {line["line_id"]: line["code"] for line in figures(fresh)}
            assert totals(ledger) == totals(fresh)
            rosters = [{row["subject"] for row in one.events() if "roster" in row["type"]} for one in (ledger, fresh)]
            assert rosters[0] == rosters[1] != set()


def totals(ledger: Ledger) -> dict[str, int]:
    """Units of each line with its adjustments: how a closed month is split is history."""
    sums = {line: units for line, (units, _) in adjusted(ledger).items()}
    for line in ledger.lines():
        if line["status"] in {"ready", "awaiting_close", "closed"}:
            sums[line["line_id"]] = sums.get(line["line_id"], 0) + line["units"]
    return {line: units for line, units in sums.items() if units}


def test_the_schema_is_that_of_the_tables(store: str) -> None:
    """Made by migrations, each table has the columns the program knows, in the program's order."""
    connect(store).dispose()
    engine = create_engine(store)
    found = inspect(engine)
    assert {name for name in found.get_table_names() if name != "alembic_version"} == set(schema.metadata.tables)
    for name, table in schema.metadata.tables.items():
        assert [column["name"] for column in found.get_columns(name)] == list(table.columns.keys())
        assert found.get_pk_constraint(name)["constrained_columns"] == list(table.primary_key.columns.keys())
        assert {index["name"] for index in found.get_indexes(name)} >= {index.name for index in table.indexes}
    engine.dispose()


def test_a_ledger_of_a_later_program_is_left_alone(store: str) -> None:
    engine = connect(store)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(LedgerError, match=f"schema is 9999, this program knows {HEAD}"):
        open_ledger(store)


def test_no_ledger_is_made_where_none_is_asked_for(store: str) -> None:
    with pytest.raises(LedgerError, match="no ledger at this URL yet"):
        open_ledger(store, create=False)
