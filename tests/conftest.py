"""Fixtures of every test."""

from tests.servers.fixtures import (
    _kafka_server,
    _postgres_server,
    _stoppable_kafka,
    _stoppable_postgres,
    database_url,
    prefix,
)
from tests.stores import store

__all__ = ["_kafka_server", "_postgres_server", "_stoppable_kafka", "_stoppable_postgres", "database_url", "prefix", "store"]
