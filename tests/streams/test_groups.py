"""Workers of one group: they share, take over, hand back; what they are told of the broker is never trusted beyond the ledger's word."""

import asyncio
from pathlib import Path

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from tests.http.care import patient, registry
from tests.servers import Kafka
from tests.streams.plant import Plant, metric, plain
from tests.streams.program import Program
from tests.streams.test_odd_records import accepted, call

LONG = 300.0
"""A session that no test waits for."""


def writers(plant: Plant) -> set[str]:
    """Who moved input positions last."""
    query = "SELECT DISTINCT writer FROM positions WHERE topic NOT LIKE 'outbox.%' AND topic NOT LIKE '%registry'"
    names = {name for (name,) in plant.ask(query)}
    return {name.removeprefix(plant.prefix) if name.startswith(plant.prefix) else "three" for name in names}


def spread(plant: Plant, numbers: range) -> None:
    """Patients of many partitions, with events in each topic."""
    plant.send([event for number in numbers for event in patient(f"P-{number}")])


def worked_by(plant: Plant, names: set[str], first: int) -> int:
    """Send until each of these workers has taken something in and nobody else has; the next number of a patient.

    The group may still be forming when the first events come.
    """
    numbers = iter(range(first, first + 10_000, 20))
    reached = first

    def some() -> bool:
        nonlocal reached
        reached = next(numbers)
        spread(plant, range(reached, reached + 20))
        plant.until(plant.is_taken, "all is taken")
        return writers(plant) == names

    plant.until(some, f"{names} share the partitions")
    return reached + 20


def test_workers_share_and_one_that_joins_or_leaves_loses_nothing(
    kafka_server: Kafka, database_url: str, prefix: str, tmp_path: Path
) -> None:
    """Given two workers, when a third joins and leaves, then the partitions are shared anew each time and reconcile is exact.

    Faust deals out at most as many partitions to each as it would to the fullest, and moves no others: of four a third gets none.
    """
    with Plant(kafka_server, database_url, prefix, tmp_path, partitions=6) as plant:
        plant.relay()
        plant.send(registry())
        for name in ("one", "two"):
            plant.worker(name, waited=False)
        at = worked_by(plant, {"one", "two"}, 0)
        third = plant.worker("three", instance=False)
        at = worked_by(plant, {"one", "two", "three"}, at)
        assert third.stop() == 0
        worked_by(plant, {"one", "two"}, at)
        plant.drained()
        plant.reconciled()


def test_a_restart_under_the_same_name_does_not_wait_for_the_session(plant: Plant) -> None:
    """Given a killed worker with a session of minutes, when it is started again under its name, then it goes on at once."""
    plant.relay()
    plant.send(registry())
    spread(plant, range(20))
    first = plant.worker("one", session=LONG)
    plant.until(plant.is_taken, "the first has taken all")
    first.kill()
    spread(plant, range(20, 40))
    plant.worker("one", session=LONG)
    plant.until(plant.is_taken, "the second has taken the rest", patience=LONG / 2)
    plant.drained()
    plant.reconciled()


def test_a_worker_that_is_told_to_stop_commits_and_leaves(plant: Plant) -> None:
    """Given a worker at work, when it gets SIGTERM, then it ends with 0, the broker knows the ledger's positions, its successor goes on."""
    plant.relay()
    plant.send(registry())
    spread(plant, range(40))
    worker = plant.worker("one", session=LONG)
    plant.until(lambda: len(plant.positions()) > 4, "it is at work")
    assert worker.stop() == 0
    assert "stopped_without_leaving" not in worker.said
    assert '"event": "stopped"' in worker.said
    taken = {place: offset for place, offset in plant.positions().items() if not place[0].startswith("outbox.")}
    assert asyncio.run(committed(plant)) == taken
    plant.worker("one", session=LONG)
    plant.drained()
    plant.reconciled()


async def committed(plant: Plant) -> dict[tuple[str, int], int]:
    """What the broker was told for the group."""
    async with AIOKafkaConsumer(
        bootstrap_servers=plant.kafka.bootstrap, group_id=f"{plant.prefix}group", enable_auto_commit=False
    ) as consumer:
        places = [TopicPartition(topic, number) for topic in plant.layout.inputs() for number in range(4)]
        offsets = {place: await consumer.committed(place) for place in places}
    return {(place.topic, place.partition): offset for place, offset in offsets.items() if offset}


def test_offsets_that_ran_ahead_of_the_ledger_are_read_again(plant: Plant) -> None:
    """Given offsets committed beyond what was taken, when more events come, then the gap is read again first and nothing is lost."""
    plant.relay()
    plant.send(registry())
    first = plant.worker("one", instance=False)
    plant.until(plant.is_taken, "the registry is taken")
    assert first.stop() == 0
    spread(plant, range(20))
    asyncio.run(commit(plant, dict(plant.ends)))
    again = plant.worker("two")
    spread(plant, range(20, 40))
    plant.drained()
    assert metric(again, "caremonth_gaps_total") > 0
    assert len(accepted(plant)) == 2 + 40 * 4
    plant.reconciled()


async def commit(plant: Plant, offsets: dict[tuple[str, int], int]) -> None:
    """Tell the broker something else for the group."""
    async with AIOKafkaConsumer(
        bootstrap_servers=plant.kafka.bootstrap, group_id=f"{plant.prefix}group", enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(*place) for place in offsets])
        await consumer.commit({TopicPartition(*place): OffsetAndMetadata(offset, "") for place, offset in offsets.items()})


def test_a_worker_that_was_frozen_in_a_batch_is_fenced(plant: Plant) -> None:
    """Given a worker frozen in the midst of a transaction for longer than its session, when another took over and it wakes, then its batch
    is refused, its metric says so, and the lines are those of one worker."""
    plant.send(registry())
    frozen = plant.worker("one")
    plant.until(plant.is_taken, "the registry is taken")
    freeze_in_a_batch(plant, frozen)
    plant.worker("two", waited=False)
    plant.until(plant.is_taken, "the other has taken over")
    frozen.thaw()
    plant.relay()
    plant.until(lambda: metric(frozen, "caremonth_fenced_total") >= 1, "the frozen one is fenced")
    spread(plant, range(40, 60))
    plant.drained()
    plant.reconciled()
    assert len(accepted(plant)) == 2 + 1 + 21 * 4


def freeze_in_a_batch(plant: Plant, worker: Program) -> None:
    """Hold the positions until the worker waits for them within a transaction; freeze it; let go, so that it holds them now."""
    with psycopg.connect(plain(plant.database)) as holder:
        holder.execute("LOCK TABLE positions IN EXCLUSIVE MODE")
        plant.send([call(1), *patient("P-9999")])
        waiting = "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()"
        plant.until(lambda: bool(plant.ask(waiting)), "the worker waits for the positions")
        worker.freeze()
