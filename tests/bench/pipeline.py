"""One run of the pipeline over topics that were filled before: from the first batch committed to all decided and relayed."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import NamedTuple

from tests.bench.installation import PATIENCE, Installation, Program
from tests.bench.processes import cpu_seconds, memory_megabytes


class Run(NamedTuple):
    """`events` came after the first batch was seen committed; seconds count from there. `cpu` are processor seconds of the same time.

    Where the first batch holds all, all count, from the start of the programs.

    `memory` is the most a worker ever held when half of the events were taken, and at the end, in 1,000,000 bytes.
    """

    events: int
    accepted_seconds: float
    seconds: float
    cpu: dict[str, float]
    memory: tuple[float, float]
    decisions: int


class Clock:
    """Watches an installation at work."""

    def __init__(self, installation: Installation, events: int, workers: list[Program], relay: Program) -> None:
        self.installation = installation
        self.events = events
        self.workers = workers
        self.relay = relay

    def run(self) -> Run:
        """Wait for the end; RuntimeError where a program ends, or nothing moves for a minute."""
        start, before = monotonic(), self._cpu()
        first = self._until(lambda taken, *_: taken > 0)
        if first < self.events:
            start, before = monotonic(), self._cpu()
        self._until(lambda taken, *_: taken >= self.events / 2)
        half = self._peak()
        self._until(lambda taken, *_: taken >= self.events)
        accepted = monotonic() - start
        self._until(lambda _taken, due, decided, relayed: not due and decided == relayed)
        seconds, after = monotonic() - start, self._cpu()
        state = self.installation.state(self.events)
        cpu = {name: spent - before[name] for name, spent in after.items()}
        return Run(self.events - first or self.events, accepted, seconds, cpu, (half, self._peak()), state.decided)

    def _until(self, reached: Callable[[int, bool, int, int], bool]) -> int:
        """The number of records taken when it is reached."""
        moved, last = monotonic(), None
        while not reached(*(state := self.installation.state(self.events))):
            for program in (*self.workers, self.relay):
                program.require()
            if state != last:
                moved, last = monotonic(), state
            if monotonic() - moved > PATIENCE:
                raise RuntimeError(f"nothing moved for {PATIENCE:.0f} s at {state}; the bench's folder has the logs")
            sleep(0.05)
        return state.taken

    def _cpu(self) -> dict[str, float]:
        workers = sum(cpu_seconds(worker.pid) for worker in self.workers)
        return {"worker": workers, "relay": cpu_seconds(self.relay.pid), **self.installation.servers.cpu()}

    def _peak(self) -> float:
        return max(memory_megabytes(worker.pid) for worker in self.workers)


def run(installation: Installation, events: int, workers: int = 1) -> Run:
    """One run with so many workers and the relay, on topics that hold so many events."""
    programs = [installation.worker(f"w{number}") for number in range(workers)]
    return Clock(installation, events, programs, installation.relay()).run()
