"""What a worker refuses to start with, and what it says then."""

import shutil
from pathlib import Path

import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError

from caremonth.cli_errors import RefusedError
from caremonth.cli_streams import _finish
from ledger.database import HEAD
from ledger.rule_files import PACKAGED
from tests.streams.plant import Plant, plain


def test_a_worker_with_other_rules_names_both(plant: Plant, tmp_path: Path) -> None:
    """Given a ledger that was decided by the packaged rules, when a worker carries a changed copy, then it ends and names both."""
    active = plant.ledger.rulebook
    changed = Path(shutil.copytree(PACKAGED, tmp_path / "rules"))
    file = changed / "ruleset.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(active.id, "another-set"), encoding="utf-8")
    done = plant.command("--rules", str(changed), "worker", "--brokers", plant.kafka.bootstrap, "--prefix", plant.prefix)
    assert done.returncode == 1
    assert f"rule set {active.id} ({active.digest[:12]})" in done.stderr
    assert "carries another-set (" in done.stderr
    assert plant.positions() == {}


def test_a_worker_of_an_older_program_names_both_schemas(plant: Plant) -> None:
    """Given a ledger that a later program has changed, then the worker ends and says which schema is whose."""
    with psycopg.connect(plain(plant.database), autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = plant.command("worker", "--brokers", plant.kafka.bootstrap, "--prefix", plant.prefix)
    assert (done.returncode, plant.positions()) == (1, {})
    assert f"the ledger's schema is 9999, this program knows {HEAD}" in done.stderr


def test_a_worker_without_its_topics_says_how_to_create_them(plant: Plant) -> None:
    done = plant.command("worker", "--brokers", plant.kafka.bootstrap, "--prefix", f"{plant.prefix}no.")
    assert done.returncode == 1
    assert "care.time-log is missing; create it with `caremonth topics create`" in done.stderr


def test_a_broker_that_goes_away_while_a_worker_starts_is_told_in_a_sentence() -> None:
    """Given a broker that answered when its topics were looked at, when no answer comes after that, then nothing is called a fault."""

    async def start() -> None:
        raise KafkaConnectionError("Unable to bootstrap")

    with pytest.raises(RefusedError, match="the broker does not answer; start it"):
        _finish(start())
