"""What reconciling finds where something is wrong: each kind of difference is told by place or id, and nothing else is."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from streams.codec import STRUCTURED, Message
from streams.reconcile import reconcile
from tests.http.care import patient, registry
from tests.streams.plant import Plant, plain


def differences(plant: Plant) -> list[str]:
    """What comparing finds."""
    return asyncio.run(reconcile(plant.broker, plant.ledger, plant.layout)).differences


@contextmanager
def planted(plant: Plant, *statements: str) -> Iterator[None]:
    """Changes to the database that are taken back."""
    table = statements[0].split()[2] if statements[0].startswith("DELETE") else statements[0].split()[1]
    with psycopg.connect(plain(plant.database), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT * FROM {table}".encode())  # noqa: S608
        for statement in statements:
            connection.execute(statement.encode())
        try:
            yield
        finally:
            connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
            connection.execute(f"INSERT INTO {table} SELECT * FROM kept".encode())  # noqa: S608
            connection.execute(b"DROP TABLE kept")


def test_each_difference_is_told(plant: Plant) -> None:
    plant.worker()
    relay = plant.relay()
    plant.send([*registry(), *patient()])
    plant.produce([Message(plant.layout.name("care.time-log"), b"acme/P-1", b"poison", ())])
    plant.drained()
    assert differences(plant) == []
    assert relay.stop() == 0
    with planted(plant, "DELETE FROM dead_letters"):
        (lost,) = differences(plant)
        assert lost.endswith("neither accepted nor in the dead letters")
    with planted(plant, "DELETE FROM events WHERE id = 'P-1-call'"):
        assert any("neither accepted nor in the dead letters" in one for one in differences(plant))
    with planted(plant, "UPDATE outbox SET event = convert_to(replace(convert_from(event, 'UTF8'), 'G3003', 'G3009'), 'UTF8')"):
        assert any("was sent with other content than it is stored with" in one for one in differences(plant))
    with planted(plant, "UPDATE positions SET next_offset = next_offset - 1 WHERE topic LIKE '%registry'"):
        assert [one for one in differences(plant) if "1 records are not taken yet" in one]
    with planted(plant, "UPDATE positions SET next_offset = next_offset + 5 WHERE topic LIKE '%registry'"):
        assert [one for one in differences(plant) if "records it had are gone" in one]
    stray = {"id": "of-nobody", "type": "care.alert.raised.v1", "data": {}}
    plant.produce([Message(plant.layout.name("billing.lines"), b"x", json.dumps(stray).encode(), (("content-type", STRUCTURED.encode()),))])
    assert differences(plant) == ["decision of-nobody: was sent, and the ledger has no such decision"]
