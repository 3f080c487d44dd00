"""A real Kafka broker and a real Postgres for tests, benchmarks and demonstrations: found, or started and ended again.

docs/testing.md says where they come from. `running_kafka()` and `running_postgres()` are context managers; pytest has them as fixtures.
"""

from tests.servers.broker_files import KafkaSettings
from tests.servers.finding import NoServerError
from tests.servers.kafka import Kafka, running_kafka
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.switch import NotOursError

__all__ = ["Kafka", "KafkaSettings", "NoServerError", "NotOursError", "Postgres", "running_kafka", "running_postgres"]
