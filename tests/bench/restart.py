"""A worker is killed under load: how long until its partitions get on, by the same worker started anew or by another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter, sleep

from streams.codec import Message
from tests.bench.figures import Figure, at_most, figure
from tests.bench.installation import Installation, Program, installation, running_servers, wait_until
from tests.bench.load import RATE, background, messages
from tests.bench.workbench import Workbench


def figures(bench: Workbench) -> Iterator[Figure]:
    """Seconds from SIGKILL to the first batch committed after it, each a few times; the session timeout is the program's own."""
    with running_servers() as servers, installation(servers, bench.folder) as one:
        some = messages(bench.steady_stream(), one.layout)
        again = asyncio.run(_under_load(one, some, lambda: _restarts(one, bench.sizes.restarts)))
        yield figure("restart_same_instance", "s", again, at_most(5), rate=RATE)
    with running_servers() as servers, installation(servers, bench.folder) as one:
        some = messages(bench.steady_stream(), one.layout)
        taken = asyncio.run(_under_load(one, some, lambda: _takeovers(one, bench.sizes.restarts)))
        yield figure("restart_taken_over", "s", taken, at_most(12), rate=RATE)


async def _under_load(one: Installation, some: Sequence[Message], measure: Callable[[], list[float]]) -> list[float]:
    async with background(one.servers.kafka.bootstrap, some):
        return await asyncio.to_thread(measure)


def _restarts(one: Installation, times: int) -> list[float]:
    worker, found = one.worker("a"), list[float]()
    for _ in range(times):
        _gets_on(one, "a", [worker])
        start = _killed(worker)
        worker = one.worker("a")
        _gets_on(one, "a", [worker])
        found.append(perf_counter() - start)
    return found


def _takeovers(one: Installation, times: int) -> list[float]:
    """Two workers share the partitions; one goes, and the other has all of them; then the one comes back."""
    other, found = one.worker("b"), list[float]()
    _gets_on(one, "b", [other])
    for _ in range(times):
        worker = one.worker("a")
        _gets_on(one, "a", [worker])
        _gets_on(one, "b", [other])
        start = _killed(worker)
        theirs = one.partitions_of("a")
        wait_until(partial(_has_one_of, one, "b", theirs), [other], every=0.01)
        found.append(perf_counter() - start)
    return found


def _killed(worker: Program) -> float:
    """When it was killed. What it had handed to the database before is committed a moment later, and is not what is waited for."""
    start = perf_counter()
    worker.kill()
    sleep(0.2)
    return start


def _has_one_of(one: Installation, instance: str, partitions: set[tuple[str, int]]) -> bool:
    return not partitions.isdisjoint(one.partitions_of(instance))


def _gets_on(one: Installation, instance: str, programs: list[Program]) -> None:
    """Wait until it has committed a batch from now on."""
    before = one.offsets_of(instance)

    def has() -> bool:
        # What another takes over changes what was this one's as well, and is no sign that it gets on.
        return any(offset > before.get(place, 0) for place, offset in one.offsets_of(instance).items())

    wait_until(has, programs, every=0.01)
