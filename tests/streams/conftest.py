"""An installation for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Kafka
from tests.streams.plant import Plant


@pytest.fixture
def plant(kafka_server: Kafka, database_url: str, prefix: str, tmp_path: Path) -> Iterator[Plant]:
    """An installation of four partitions a topic, without a process yet."""
    with Plant(kafka_server, database_url, prefix, tmp_path) as made:
        yield made
