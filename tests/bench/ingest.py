"""`ingest` of the sample stream, a second time of the same file, and a plain loop beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.bench import task
from tests.bench.figures import Figure, at_least, at_most, figure, ratios
from tests.bench.task import Result
from tests.bench.workbench import Workbench

MILLION: Final = 1_000_000


def figures(bench: Workbench) -> Iterator[Figure]:
    """Speed, memory, the second run, and ratios of runs that followed each other."""
    stream, events = bench.stream()
    rounds = [_round(bench) for _ in range(bench.sizes.runs)]
    ours, again, plain = ([one[at]["seconds"] for one in rounds] for at in range(3))
    size: dict[str, Any] = {"events": events, "megabytes": stream.stat().st_size // 1_000_000}
    yield figure("ingest", "events/s", [events / s for s in ours], at_least(10_000), stretch=20_000, **size)
    yield figure("ingest_again", "events/s", [events / s for s in again], **size)
    yield figure("ingest_again_to_first", "times as fast", ratios(ours, again), at_least(2), **size)
    yield figure("calibrator", "events/s", [events / s for s in plain], **size)
    yield figure("ingest_to_calibrator", "times the calibrator's time", ratios(ours, plain), **size)
    asked = at_most(300) if events >= MILLION else None
    note = {} if asked else {"note": "at most 300 MB is asked for 1,000,000 events: BENCH_FULL=1"}
    yield figure("ingest_peak_memory", "MB", [_peak(first) for first, _, _ in rounds], asked, **size, **note)
    yield figure("ingest_again_peak_memory", "MB", [_peak(second) for _, second, _ in rounds], asked, **size, **note)


def _round(bench: Workbench) -> tuple[Result, Result, Result]:
    """Our first and second run and the calibrator's, one after the other; the ledger stays for the parts that follow."""
    stream, events = bench.stream()
    database = bench.database("ledger")
    first = task.run("ingest", database, stream)
    second = task.run("ingest", database, stream)
    if (first["accepted"] + first["duplicates"], second["duplicates"]) != (events, events):
        raise RuntimeError(f"of {events} events the first run took {first}, the second {second}: the figures would say nothing")
    return first, second, task.run("calibrate", bench.database("calibrator"), stream)


def _peak(result: Result) -> float:
    return float(result["peak"]) / 1_000_000
