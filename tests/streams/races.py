"""What bears on the same decision arrives on partitions of two workers at the same instant, as often as asked."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
from aiokafka import AIOKafkaProducer

from streams.codec import Message
from streams.sending import message_of
from tests.ledger.crowd import adjusted
from tests.ledger.test_attacks import RPM, Event, close, event
from tests.ledger.test_races import ground, ready, site
from tests.streams.plant import Plant, plain

TIME_LOG, REGISTRY = "care.time-log", "care.registry"
Meeting = Sequence[tuple[Event, int]]
"""Events that are sent together, each to a partition."""


def overlaps(plant: Plant, number: int) -> None:
    """Given overlapping entries of one performer by two sites, once all is decided neither counts; the performer's other time does."""
    here, there = partitions_of_two(plant)
    pairs = [(f"A{n}", f"B{n}") for n in range(number)]
    plant.send(ground("alone", *(patient for pair in pairs for patient in pair)))
    plant.send([twenty("alone", number)])
    meet(plant, ([(twenty(a, n), here), (twenty(b, n, late=10), there)] for n, (a, b) in enumerate(pairs)))
    plant.drained()
    assert ready(plant.ledger) == {"alone"}
    in_conflict = {alert["patient_id"] for alert in plant.ledger.alerts() if alert["kind"] == "time_conflict"}
    assert in_conflict == {patient for pair in pairs for patient in pair}
    require_two(plant, here, there)


def registrations(plant: Plant, number: int) -> None:
    """Given a site and a physician who are registered while the first entry comes in, then each entry counts."""
    here, there = partitions_of_two(plant)
    patients = [f"P{n}" for n in range(number)]
    plant.send(ground(*patients))
    meet(plant, (
        [
            (twenty(patient, n, performer_id=f"dr-{n}", site_id=f"site-{n}"), here),
            (site(f"s-{n}", f"site-{n}"), there),
            (physician(n), there),
        ]
        for n, patient in enumerate(patients)
    ))  # fmt: skip
    plant.drained()
    assert ready(plant.ledger) == set(patients)


def closes(plant: Plant, number: int) -> None:
    """Given a close that comes in while time does, then closed units and adjustments together are all there is, and nothing stays open."""
    here, there = partitions_of_two(plant)
    patients = [f"P{n}" for n in range(number)]
    plant.send([*ground(*patients), *map(physician, range(number))])
    plant.send([twenty(patient, n, performer_id=f"dr-{n}") for n, patient in enumerate(patients)])
    plant.drained()
    meet(plant, (
        [(twenty(patient, n, late=200, performer_id=f"dr-{n}", kind="more"), here), (close(f"close-{n}", site_id="north"), there)]
        for n, patient in enumerate(patients)
    ))  # fmt: skip
    plant.drained()
    sums = {line["line_id"]: line["units"] for line in plant.ledger.lines() if line["status"] == "closed"}
    for line, (units, _) in adjusted(plant.ledger).items():
        sums[line] = sums.get(line, 0) + units
    assert sum(sums.values()) == 2 * number
    assert {line["status"] for line in plant.ledger.lines()} == {"closed"}


def twenty(patient: str, number: int, late: int = 0, kind: str = "time", **data: str) -> Event:
    """Twenty minutes in March 2026, in the `number`th slot of forty; `late` in minutes."""
    start = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=40 * number + late)
    rest = {"performer_id": "dr-lee", "site_id": "north", "activity": "review", "interactive": True, "source": "timer"}
    moments = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{start + timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}"}
    return event(f"{kind}-{patient}", "time.logged", patient, moments["end"], **RPM, **moments, **{**rest, **data})


def physician(number: int) -> Event:
    """Somebody who may bill."""
    return event(f"d{number}", "practitioner.registered", f"dr-{number}", "2019-01-01T00:00:00Z", role="physician")


def partitions_of_two(plant: Plant) -> tuple[int, int]:
    """Two numbers of partitions that two workers have, each with one relay beside; starts what is needed."""
    plant.relay()
    for name in ("one", "two"):
        plant.worker(name, waited=False)
    probes = iter(range(1_000_000))

    def shared() -> bool:
        first = next(probes)
        plant.send(
            [
                event(f"probe-{n}", "patient.died", f"X{n}", "2020-01-01T00:00:00Z", at="2020-01-01T00:00:00Z")
                for n in range(first * 40, first * 40 + 40)
            ]
        )
        plant.until(plant.is_taken, "all is taken")
        return len(set(owners(plant).values())) == 2

    plant.until(shared, "two workers share the partitions")
    by_owner = {owner: number for number, owner in owners(plant).items()}
    here, there = by_owner.values()
    return here, there


def owners(plant: Plant) -> dict[int, str]:
    """Who took from which number of partition last."""
    return dict(plant.ask("SELECT partition, writer FROM positions WHERE topic LIKE '%.record' OR topic LIKE '%record' ORDER BY moved_at"))


def require_two(plant: Plant, here: int, there: int) -> None:
    """Both partitions were read by workers of their own, else nothing raced."""
    by = dict(plant.ask("SELECT partition, writer FROM positions WHERE topic LIKE '%time-log'"))
    assert by[here] != by[there]


def meet(plant: Plant, meetings: Iterable[Meeting]) -> None:
    """Send each meeting's events in one go, and the next one when they are taken."""
    asyncio.run(_meet(plant, meetings))


async def _meet(plant: Plant, meetings: Iterable[Meeting]) -> None:
    query = "SELECT topic, partition, next_offset FROM positions"
    async with (
        AIOKafkaProducer(bootstrap_servers=plant.kafka.bootstrap, acks="all", enable_idempotence=True) as producer,
        await psycopg.AsyncConnection.connect(plain(plant.database), autocommit=True) as connection,
    ):
        for meeting in meetings:
            messages: list[tuple[Message, int]] = [
                (message_of(json.dumps(one).encode(), plant.layout, plant.words), partition) for one, partition in meeting
            ]
            sent = [await producer.send(m.topic, m.value, m.key, partition, headers=list(m.headers)) for m, partition in messages]
            wanted = {(at.topic, at.partition): at.offset + 1 for at in await asyncio.gather(*sent)}
            plant.ends |= wanted
            while True:
                rows = await (await connection.execute(query)).fetchall()
                known = {(topic, number): offset for topic, number, offset in rows}
                if all(known.get(place, 0) >= end for place, end in wanted.items()):
                    break
                for program in plant.programs:
                    program.require_running()
                await asyncio.sleep(0.005)
