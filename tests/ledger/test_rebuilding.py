"""What is made of the events dropped and made anew: byte for byte what it was, and mended where it was not."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, select, update

from caremonth.sample import sample
from ledger import Ledger, open_ledger, schema
from ledger.database import reading, writing
from ledger.rebuilding import DERIVED, Rebuilt, rebuild
from tests.ledger.test_attacks import close, event, retraction, time
from tests.ledger.test_time_and_cause import DECEMBER, consent, feed, person, set_up, site
from tests.ledger.test_time_and_cause import reading as device_reading


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    with open_ledger(store) as opened:
        yield opened


def contents(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables that matter, in an order of their own."""

    def rows(connection: Connection, name: str) -> list[tuple[object, ...]]:
        return sorted((tuple(row) for row in connection.execute(select(schema.metadata.tables[name]))), key=repr)

    with reading(ledger.engine) as connection:
        return {name: rows(connection, name) for name in (*(table.name for table in DERIVED), "lines", "outbox", "closures", "events")}


def test_a_sample_with_everything_in_it_is_made_anew_byte_for_byte(ledger: Ledger) -> None:
    lines = [line.encode() for line in sample(12, 3, 2, 7)]
    ledger.ingest((f"sample:{number}", line) for number, line in enumerate(lines))
    before = contents(ledger)

    assert rebuild(ledger.engine, ledger.settle) == Rebuilt(len(before["events"]), [])

    assert contents(ledger) == before
    assert ledger.verify() == []


def test_a_retraction_that_came_before_what_it_names_is_met_in_the_same_order(ledger: Ledger) -> None:
    for one in (site(), person(), consent(), retraction("r1", "t1"), retraction("r2", "d1"), set_up("u1", "2026-02-20T16:00:00Z")):
        feed(ledger, one)
    feed(ledger, time("t1", "02T10:00", "02T10:40"), device_reading("d1", "2026-02-21T16:00:00Z"))
    feed(ledger, time("t2", "03T10:00", "03T10:40"), close())
    condition = event("x1", "condition.recorded", "P1", DECEMBER, icd10="M54.50", category="chronic_pain", at=DECEMBER)
    feed(ledger, retraction("r3", "t2"), condition)
    before = contents(ledger)

    assert rebuild(ledger.engine, ledger.settle).changed == []

    assert contents(ledger) == before


@pytest.mark.parametrize("table", [table.name for table in DERIVED if table.name != "tombstones"])
def test_a_table_that_lost_its_rows_is_told_and_mended(ledger: Ledger, table: str) -> None:
    ledger.ingest((f"sample:{number}", line.encode()) for number, line in enumerate(sample(6, 2, 2, 3)))
    feed(ledger, site(), person(), time("t1", "02T10:00", "02T10:40"), time("t2", "02T10:30", "02T11:00", "P2"))
    before = contents(ledger)
    with writing(ledger.engine) as connection:
        connection.execute(delete(schema.metadata.tables[table]))

    told = rebuild(ledger.engine, ledger.settle).changed

    assert table in {name for name, _, _ in told}
    if table not in ("patients", "months"):
        assert contents(ledger) == before
        assert ledger.verify() == []


def test_a_spoiled_fact_no_longer_bills(ledger: Ledger) -> None:
    feed(ledger, site(), person(), consent(), time("t1", "02T10:00", "02T10:40"))
    before = json.dumps(ledger.lines())
    with writing(ledger.engine) as connection:
        connection.execute(update(schema.months).values(facts=b'{"entries":[]}'))

    assert [name for name, _, _ in rebuild(ledger.engine, ledger.settle).changed] == ["months"]

    assert json.dumps(ledger.lines()) == before
    assert ledger.verify() == []
