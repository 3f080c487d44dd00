"""`decide` alone: from parsed facts to lines, in microseconds of processor time, so that waiting for a busy core does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from statistics import median
from time import process_time_ns
from typing import Any, Final

from domain.decide import decide
from domain.facts import History, Registry
from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from ledger.rule_files import PACKAGED, load_rulebook
from tests.bench.figures import Figure, Target, at_most, figure
from tests.bench.patient_months import month_of, patient_month, registry
from tests.bench.workbench import Workbench

USUAL: Final = 20
FAMILIES: Final = ("CPM", "CCM", "PCM", "RPM", "RTM", "BHI")
FOUR: Final = ("CPM", "CCM", "RPM", "BHI")


class Decider:
    """Times decisions; the rules, the registry and the facts stand ready before a clock runs."""

    def __init__(self, runs: int, decisions: int) -> None:
        self.runs = runs
        self.decisions = decisions
        self.rulebook: Rulebook = load_rulebook(PACKAGED)
        self.words = vocabulary(self.rulebook)
        self.registry: Registry = registry(self.words)

    def figure(self, name: str, programs: Sequence[str], entries: int, target: Target | None = None, **shape: Any) -> Figure:
        """The median of patient-months that differ, in each run each of them once."""
        wanted = max(9, self.decisions * USUAL // entries)
        months = [(patient_month(n, programs, entries, self.words, **shape), month_of(n)) for n in range(wanted)]
        lines = sum(len(decide(facts, month, self.registry, self.rulebook).lines) for facts, month in months) / wanted
        runs = [median(self._once(facts, month) for facts, month in months) for _ in range(self.runs)]
        return figure(name, "µs", runs, target, entries=entries, programs=list(programs), patient_months=wanted, lines=round(lines, 1))

    def _once(self, facts: History, month: str) -> float:
        start = process_time_ns()
        decide(facts, month, self.registry, self.rulebook)
        return (process_time_ns() - start) / 1000


def figures(bench: Workbench) -> Iterator[Figure]:
    """Each family alone, four together, devices, more entries, and entries that all overlap."""
    decider = Decider(bench.sizes.runs, bench.sizes.decisions)
    for family in FAMILIES:
        yield decider.figure(f"decide_{family.lower()}", [family], USUAL, at_most(60))
    yield decider.figure("decide_four_families", FOUR, USUAL, at_most(200))
    yield decider.figure("decide_rpm_with_device", ["RPM"], USUAL, devices=True)
    grown = [decider.figure(f"decide_{n}_entries", ["CCM"], n) for n in bench.sizes.entries]
    yield from grown
    yield _growth("decide_growth", grown, at_most(1.2))
    nested = [decider.figure(f"decide_{n}_nested_entries", ["CCM"], n, nested=True) for n in bench.sizes.entries]
    yield from nested
    yield _growth("decide_growth_nested", nested)


def _growth(name: str, grown: Sequence[Figure], target: Target | None = None) -> Figure:
    """The exponent by which cost grows from the middle size to the largest: 1 is linear, 2 quadratic."""
    _, some, many = grown
    by = log(many["entries"] / some["entries"])
    return figure(name, "exponent", [log(m / s) / by for m, s in zip(many["runs"], some["runs"], strict=True)], target)
