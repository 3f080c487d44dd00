"""The pipeline behind a broker: worker, relay, broker and Postgres on this machine, over the sample stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.bench import pipeline, stream_peers
from tests.bench.figures import Figure, Target, at_least, at_most, figure
from tests.bench.installation import installation, running_servers
from tests.bench.pipeline import Run
from tests.bench.workbench import Workbench

SECOND: Final = 1_000_000


def figures(bench: Workbench) -> Iterator[Figure]:
    """Events a second by one worker and by two, processor time and memory, and whether all reconciles."""
    stream, events = bench.topic_stream()
    with running_servers() as servers, installation(servers, bench.folder) as one:
        one.send(stream)
        ours = pipeline.run(one, events)
        yield from _rates("kafka", ours, at_least(10_000), stretch=20_000, events=events)
        yield from _costs(ours)
        yield figure("kafka_differences", "differences", [len(one.differences())], at_most(0), events=events)
        yield from stream_peers.figures(one, stream, _rate(ours))
        with installation(servers, bench.folder, one.layout.prefix) as other:
            two = pipeline.run(other, events, workers=2)
            yield from _rates("kafka_two_workers", two, events=events)
            yield figure("kafka_two_workers_to_one", "times its events/s", [_rate(two) / _rate(ours)], events=events)


def _rate(run: Run) -> float:
    return run.events / run.seconds


def _rates(name: str, run: Run, target: Target | None = None, **more: Any) -> Iterator[Figure]:
    yield figure(name, "events/s", [_rate(run)], target, decisions=run.decisions, **more)
    yield figure(f"{name}_accepted", "events/s", [run.events / run.accepted_seconds], **more)
    spent = {what: round(seconds * SECOND / run.events, 1) for what, seconds in run.cpu.items()}
    yield figure(f"{name}_cpu", "µs/event", [sum(run.cpu.values()) * SECOND / run.events], of=spent)


def _costs(run: Run) -> Iterator[Figure]:
    half, end = run.memory
    yield figure("kafka_worker_peak_memory", "MB", [end], at_most(250), at_half=round(half, 1))
