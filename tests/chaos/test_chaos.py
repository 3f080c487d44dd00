"""A few rounds of `make chaos`: each kind of trouble of the first five, in order."""

from pathlib import Path

from tests.chaos.rounds import rounds
from tests.chaos.troubles import TROUBLES
from tests.servers import Kafka, Postgres

ROUNDS = 5


def test_after_trouble_everything_is_accounted_for(
    stoppable_kafka: Kafka, stoppable_postgres: Postgres, prefix: str, tmp_path: Path
) -> None:
    """Given load, when a worker is killed or frozen, broker or database restart, the relay is killed, then after each all is exact."""
    done = list(rounds(stoppable_kafka, stoppable_postgres, prefix, tmp_path, ROUNDS, seed=3))
    assert [one.trouble for one in done] == [trouble.__name__ for trouble in TROUBLES[:ROUNDS]]
