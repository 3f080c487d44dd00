"""Rounds: load and a trouble at the same time, then, once all is drained, every account is exact."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.chaos.house import House
from tests.chaos.load import Load, story
from tests.chaos.troubles import TROUBLES, Trouble
from tests.servers import Kafka, Postgres
from tests.streams.accounts import owed, require_owed
from tests.streams.plant import Plant


class Round(NamedTuple):
    """What a round came to. `fenced` are refused batches of whoever lived through it; `seconds` of it without and with reconciling."""

    number: int
    trouble: str
    events: int
    records: int
    messages: int
    fenced: int
    seconds: float
    reconciling: float


def rounds(kafka: Kafka, postgres: Postgres, prefix: str, folder: Path, number: int, seed: int) -> Iterator[Round]:
    """So many rounds on one installation; AssertionError at the first thing that is not accounted for.

    At the end, besides, what all closes and adjustments come to is what a ledger owes that took each event once and closed nothing.
    """
    dice = Random(seed)
    # A producer without its broker says so some thousand times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with postgres.database() as url, Plant(kafka, url, prefix, folder) as plant:
        house = House(plant, postgres)
        house.open()
        load = Load(plant, Random(seed + 1), lambda: house.web_port)
        deck: list[Trouble] = []
        for at in range(number):
            deck = deck or list(TROUBLES)
            yield one(house, load, at, seed, deck.pop(0 if at < len(TROUBLES) else dice.randrange(len(deck))), dice)
        require_owed(plant.ledger, owed(load.sent.values(), folder))


def one(house: House, load: Load, number: int, seed: int, trouble: Trouble, dice: Random) -> Round:
    """One round."""
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.run, story(number, seed))
        time.sleep(dice.uniform(0.2, 1))
        trouble(house, dice)
        sending.result()
    house.plant.drained()
    house.require_running()
    drained = time.monotonic()
    found = house.plant.reconciled()
    nothing_but_what_was_sent(house.plant, load)
    fenced = house.fenced_by_now()
    house.plant.programs[:] = [program for program in house.plant.programs if program.is_running]
    return Round(
        number, trouble.__name__, len(load.sent), found.records, found.messages, round(fenced), round(drained - begun, 1),
        round(time.monotonic() - drained, 1),
    )  # fmt: skip


def nothing_but_what_was_sent(plant: Plant, load: Load) -> None:
    """Each identity that was sent is one event, nothing else is there, and no decision stands twice."""
    stored = set(plant.ask("SELECT tenant, source, id FROM events"))
    assert stored == set(load.sent), f"lost {len(set(load.sent) - stored)}, not sent {len(stored - set(load.sent))}"
    assert plant.ask("SELECT count(*) FROM dead_letters") == [(0,)]
    ((ids, decisions),) = plant.ask("SELECT count(DISTINCT id), count(*) FROM outbox")
    assert ids == decisions, "an id of a decision stands twice"
