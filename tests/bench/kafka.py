"""The pipeline behind a broker: worker, relay, broker and Postgres on this machine, over the sample stream."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from tests.bench import pipeline, stream_peers
from tests.bench.figures import Figure, Target, at_least, at_most, figure, ratios
from tests.bench.installation import installation, running_servers
from tests.bench.pipeline import Run
from tests.bench.workbench import Workbench

SECOND: Final = 1_000_000


def figures(bench: Workbench) -> Iterator[Figure]:
    """Events a second by one worker and by two, processor time and memory, and whether all reconciles."""
    stream, events = bench.topic_stream()
    with running_servers() as servers, installation(servers, bench.folder) as one:
        one.send(stream)
        ours = [pipeline.run(one, events)]
        yield figure("kafka_differences", "differences", [len(one.differences())], at_most(0), events=events)
        for workers in (*[1] * (bench.sizes.broker_runs - 1), *[2] * bench.sizes.broker_runs):
            with installation(servers, bench.folder, one.layout.prefix) as other:
                ours.append(pipeline.run(other, events, workers))
        alone, two = ours[: bench.sizes.broker_runs], ours[bench.sizes.broker_runs :]
        yield from _rates("kafka", alone, at_least(10_000), stretch=20_000, events=events)
        yield from _costs(alone)
        yield from stream_peers.figures(one, stream, median(map(_rate, alone)))
        yield from _rates("kafka_two_workers", two, events=events)
        gains = ratios(list(map(_rate, two)), list(map(_rate, alone)))
        yield figure("kafka_two_workers_to_one", "times its events/s", gains, events=events)


def _rate(run: Run) -> float:
    return run.events / run.seconds


def _rates(name: str, runs: list[Run], target: Target | None = None, **more: Any) -> Iterator[Figure]:
    yield figure(name, "events/s", list(map(_rate, runs)), target, decisions=[run.decisions for run in runs], **more)
    yield figure(f"{name}_accepted", "events/s", [run.events / run.accepted_seconds for run in runs], target, **more)
    spent = {what: [round(run.cpu[what] * SECOND / run.events, 1) for run in runs] for what in runs[0].cpu}
    yield figure(f"{name}_cpu", "µs/event", [sum(run.cpu.values()) * SECOND / run.events for run in runs], of=spent)


def _costs(runs: list[Run]) -> Iterator[Figure]:
    halves = [round(run.memory[0], 1) for run in runs]
    yield figure("kafka_worker_peak_memory", "MB", [run.memory[1] for run in runs], at_most(250), at_half=halves)
