"""One measured figure: its runs, their median, its target and whether it is met."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from tests.bench.machine import machine

Figure = dict[str, Any]


class Target(NamedTuple):
    """What the median should come to; `bound` is `at_least` or `at_most`."""

    bound: str
    value: float

    def met(self, value: float) -> bool:
        return value >= self.value if self.bound == "at_least" else value <= self.value


def at_least(value: float) -> Target:
    return Target("at_least", value)


def at_most(value: float) -> Target:
    return Target("at_most", value)


def figure(name: str, unit: str, runs: Sequence[float], target: Target | None = None, **more: Any) -> Figure:
    """The line of a figure; `target` and `met` are null where nothing was asked, `more` are facts to read it by."""
    value = rounded(median(runs))
    return {
        "figure": name,
        "value": value,
        "unit": unit,
        "target": {target.bound: target.value} if target else None,
        "met": target.met(value) if target else None,
        "runs": [rounded(run) for run in runs],
        **more,
        "machine": machine(),
    }


def rounded(value: float) -> float:
    """As many digits as mean something."""
    return float(f"{value:.4g}") if abs(value) < 1000 else float(round(value))


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Pairs of runs divided, so that a machine that was slow for both does not count."""
    return [one / other for one, other in zip(of, to, strict=True)]
