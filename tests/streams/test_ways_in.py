"""The same input by file, HTTP and Kafka: the same lines, and each outbox replays to them."""

from collections.abc import Iterable
from pathlib import Path

import httpx
import orjson

from ledger import Ledger, open_ledger
from streams.lines_replay import LinesReplay
from tests.ledger.crowd import crowd, fed, figures, write
from tests.servers import Kafka, Postgres
from tests.streams.accounts import owed, require_owed
from tests.streams.plant import Event, Plant

POSTED = 100
"""Events a request."""


def test_file_http_and_kafka_come_to_the_same_lines(kafka_server: Kafka, postgres_server: Postgres, prefix: str, tmp_path: Path) -> None:
    """Given stories without a close, when each way takes them, then all lines agree apart from `revision`."""
    events = crowd(range(300, 308))
    with open_ledger("sqlite://") as by_file, postgres_server.database() as url, postgres_server.database() as other:
        fed(by_file, write(events, tmp_path / "all.jsonl"))
        with Plant(kafka_server, url, prefix, tmp_path) as plant:
            worked(plant, events)
            posted(plant, other, events)
            with open_ledger(other) as by_http:
                assert figures(by_file) == figures(plant.ledger) == figures(by_http) != []
                assert [replayed(ledger) for ledger in (by_file, plant.ledger, by_http)] == [[], [], []]


def test_with_closes_they_come_to_the_same_sums(kafka_server: Kafka, postgres_server: Postgres, prefix: str, tmp_path: Path) -> None:
    """When a close is taken is the way's affair: closed units and adjustments together are the same, and so is the money."""
    events = crowd(range(100, 106), closes=True)
    wanted = owed(events, tmp_path)
    with open_ledger("sqlite://") as by_file, postgres_server.database() as url, postgres_server.database() as other:
        fed(by_file, write(events, tmp_path / "all.jsonl"))
        with Plant(kafka_server, url, prefix, tmp_path) as plant:
            worked(plant, events)
            posted(plant, other, events)
            with open_ledger(other) as by_http:
                for ledger in (by_file, plant.ledger, by_http):
                    require_owed(ledger, wanted)
                    assert replayed(ledger) == []


def worked(plant: Plant, events: Iterable[Event]) -> None:
    """Through the broker, by a worker and a relay."""
    plant.worker()
    plant.relay()
    plant.send(events)
    plant.drained()
    plant.reconciled()


def posted(plant: Plant, database: str, events: list[Event]) -> None:
    """Through a web server, whose ledger is another; what it left due is decided."""
    beside = Plant(plant.kafka, database, plant.prefix, plant.folder)
    web = beside.web()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{web.port}", timeout=60) as client:
            for first in range(0, len(events), POSTED):
                answer = client.post("/v1/events", json=events[first : first + POSTED])
                assert answer.status_code == 202, answer.text
    finally:
        web.kill()
    with open_ledger(database) as ledger:
        ledger.settle()


def replayed(ledger: Ledger) -> list[str]:
    """How the outbox, each message twice and in part out of order, tells the lines otherwise than they stand."""
    replay = LinesReplay()
    messages = [orjson.loads(raw) for _, raw in ledger.outbox(0, 1_000_000)]
    for message in [*messages, *messages[::-1]]:
        replay.take(message)
    return list(replay.differences(ledger.lines()))
