"""Rounds: load and a trouble at the same time, then, once all is drained, every account is exact."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

from ledger import Ledger, open_ledger
from tests.chaos.house import House
from tests.chaos.load import Load, story
from tests.chaos.troubles import TROUBLES, Trouble
from tests.ledger.crowd import adjusted, fed, write
from tests.servers import Kafka, Postgres
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
    """So many rounds on one installation; AssertionError at the first thing that is not accounted for."""
    dice = Random(seed)
    with postgres.database() as url, Plant(kafka, url, prefix, folder) as plant:
        house = House(plant, postgres)
        house.open()
        load = Load(plant, Random(seed + 1), lambda: house.web_port)
        deck: list[Trouble] = []
        for at in range(number):
            deck = deck or list(TROUBLES)
            yield one(house, load, at, seed, deck.pop(0 if at < len(TROUBLES) else dice.randrange(len(deck))), dice)
        as_one_writer(plant.ledger, load, folder)


def one(house: House, load: Load, number: int, seed: int, trouble: Trouble, dice: Random) -> Round:
    """One round."""
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(load.run, story(number, seed))
        time.sleep(dice.uniform(0.2, 1))
        trouble(house, dice)
        sending.result()
    house.plant.drained()
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
    """Each identity that was sent is one event or, where stories use it with two contents, one event and dead letters; nothing else is there."""
    stored = set(plant.ask("SELECT tenant, source, id FROM events"))
    assert stored == set(load.sent), f"lost {len(set(load.sent) - stored)}, not sent {len(stored - set(load.sent))}"
    assert plant.ask("SELECT count(*) FROM dead_letters") == [(0,)]
    ((ids, decisions),) = plant.ask("SELECT count(DISTINCT id), count(*) FROM outbox")
    assert ids == decisions, "an id of a decision stands twice"


def as_one_writer(ledger: Ledger, load: Load, folder: Path) -> None:
    """Units and US$ of each line, with what was adjusted, are those of one ledger that took each event once, in order."""
    with open_ledger("sqlite://") as alone:
        fed(alone, write(load.sent.values(), folder / "all.jsonl"), 500)
        assert sums(ledger) == sums(alone)


def sums(ledger: Ledger) -> dict[str, tuple[int, Decimal]]:
    """Units and US$ of each line, with what was adjusted."""
    found = adjusted(ledger)
    for line in ledger.lines():
        if line["status"] in {"ready", "awaiting_close", "closed"}:
            units, dollars = found.get(line["line_id"], (0, Decimal()))
            found[line["line_id"]] = units + line["units"], dollars + Decimal(line["amount"] or 0)
    return {line: told for line, told in found.items() if any(told)}
