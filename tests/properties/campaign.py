"""Many random patient-months beside the oracle, on all cores: most by the domain alone, some through a ledger."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from itertools import count
from multiprocessing import get_context
from os import cpu_count
from random import Random
from typing import NamedTuple

from tests.generators import random_history
from tests.properties.agreement import disagreements
from tests.properties.invariants import every_second_told, seconds_once
from tests.properties.pure import decided
from tests.properties.told import Teller

PORTION = 20
THROUGH_LEDGER = 10


class Tally(NamedTuple):
    """What was compared; `found` has a line for each history that disagreed."""

    patient_months: int = 0
    histories: int = 0
    through_ledger: int = 0
    found: tuple[str, ...] = ()

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.patient_months + other.patient_months,
            self.histories + other.histories,
            self.through_ledger + other.through_ledger,
            self.found + other.found,
        )


def run(cases: int, first_seed: int = 0, jobs: int = cpu_count() or 1) -> Tally:
    """Compare until at least `cases` patient-months were, from the histories of the seeds from `first_seed` on."""
    total, seeds = Tally(), count(first_seed, PORTION)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[Tally]] = {pool.submit(portion, next(seeds)) for _ in range(jobs)}
        while running:
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                total = total.plus(future.result())
            if total.patient_months < cases:
                running |= {pool.submit(portion, next(seeds)) for _ in finished}
    return total


def portion(first_seed: int) -> Tally:
    """One portion of seeds; every tenth history goes through a ledger too, in small batches."""
    total = Tally()
    for seed in range(first_seed, first_seed + PORTION):
        through_ledger = seed % THROUGH_LEDGER == 0
        months, *found = _compared(seed, through_ledger)
        total = total.plus(Tally(int(months), 1, int(through_ledger), tuple(f"seed {seed}: {text}" for text in found[:3])))
    return total


def _compared(seed: int, through_ledger: bool) -> Iterator[str]:
    """The number of patient-months of a seed's history, then what is wrong with its answers."""
    history = random_history(seed)
    answer = decided(history)
    yield str(len(answer.trees))
    yield from disagreements(history, answer)
    yield from every_second_told(history, answer.trees)
    yield from seconds_once(answer.spans)
    if through_ledger:
        yield from disagreements(history, _teller()(history, Random(seed).choice([1, 3, 7, 1000])))


@cache
def _teller() -> Teller:
    return Teller()
