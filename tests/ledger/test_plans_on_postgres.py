"""A session keeps its plans: those made while the ledger was new must do when it has grown."""

import json
from collections.abc import Iterator

import psycopg

from ledger import open_ledger
from tests.http.care import entry, patient, registry
from tests.ledger.writers import Event

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
WHOLE = """
SELECT relname, seq_scan FROM pg_stat_user_tables
WHERE relname IN ('busy', 'conflicts', 'events', 'lines', 'months', 'outbox', 'patients', 'performers', 'refs', 'tombstones')
"""
READ = "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes"
BATCHES, BATCH = 150, 20
"""So many that events looked up by the wrong index are a hundred times as many as those looked for."""


def batches() -> Iterator[list[Event]]:
    first, *others = registry()
    yield [first]
    yield [*others, *patient()]
    for number in range(BATCHES):
        at = f"2026-03-{number % 25 + 3:02}T{number // 25 + 8:02}"
        yield [
            entry(f"call-{number}-{minute}", "P-1", f"{at}:{minute:02}:00-06:00", f"{at}:{minute + 1:02}:00-06:00")
            for minute in range(BATCH)
        ]


def test_small_batches_into_a_new_ledger_never_read_a_whole_table(database_url: str) -> None:
    """Nor all events of a tenant where some are looked for."""
    with open_ledger(database_url) as ledger:
        assert ledger.rulebook.id
    before = asked(database_url, WHOLE)
    with open_ledger(database_url) as ledger:
        for number, events in enumerate(batches()):
            ledger.take(ledger.read(("test", json.dumps(event).encode()) for event in events), at_once=number > 1)
    assert asked(database_url, WHOLE) == before
    assert asked(database_url, READ)["events_subject"] < 30 * BATCHES * BATCH


def asked(url: str, statement: str) -> dict[str, int]:
    """Numbers by name; sessions that have ended are counted in, and others are waited for."""
    address = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address, autocommit=True) as connection:
        for _ in range(200):
            if connection.execute(OTHERS).fetchone() == (1,):
                return dict(connection.execute(statement).fetchall())
            connection.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("a session of the ledger does not end")
