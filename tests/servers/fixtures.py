"""The servers as pytest fixtures: started when the first test asks, ended with the session."""

import uuid
from collections.abc import Iterator

import pytest

from tests.servers.kafka import Kafka, running_kafka
from tests.servers.postgres import Postgres, running_postgres


@pytest.fixture(scope="session", name="kafka_server")
def _kafka_server() -> Iterator[Kafka]:
    """The session's broker. Shared: topics carry the test's prefix."""
    with running_kafka() as server:
        yield server


@pytest.fixture(scope="session", name="postgres_server")
def _postgres_server() -> Iterator[Postgres]:
    """The session's Postgres. Shared: a test works in a database of its own."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session", name="stoppable_kafka")
def _stoppable_kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    """A broker that a test may stop and restart: the session's if it is ours, else one beside it. Leave it running."""
    shared: Kafka = request.getfixturevalue("kafka_server")
    if shared.switch.ours:
        yield shared
    else:
        with running_kafka(own=True) as server:
            yield server


@pytest.fixture(scope="session", name="stoppable_postgres")
def _stoppable_postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A Postgres that a test may stop and restart: the session's if it is ours, else one beside it. Leave it running."""
    shared: Postgres = request.getfixturevalue("postgres_server")
    if shared.switch.ours:
        yield shared
    else:
        with running_postgres(own=True) as server:
            yield server


@pytest.fixture
def prefix() -> str:
    """What the names of a test's topics and consumer groups begin with, so that tests do not meet."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a fresh database of the session's Postgres, dropped after the test."""
    with postgres_server.database() as url:
        yield url
