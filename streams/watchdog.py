"""Ends a process that is busy without getting on: an orchestrator starts it anew, and what it held is taken by others."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Final

import structlog

EXIT: Final = 70
"""EX_SOFTWARE of sysexits.h."""


def leave() -> None:
    """End the process at once: no handler, no flush, as a crash would. Anything not committed is taken again elsewhere."""
    os._exit(EXIT)


class Watchdog:
    """Watches the parts of a program.

    `busy` says that a part got on and has more to do, `idle` that it waits for work; `turning` that a loop came round, as it must
    again whether there is work or not, until `idle` says that it need not.
    """

    def __init__(self, stall_after: float, stalled: Callable[[], None] = leave) -> None:
        self.stall_after = stall_after
        self.stalled = stalled
        self._since: dict[str, float] = {}
        self._turned: dict[str, float] = {}
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching: all ended as it should."""
        self._stop.set()

    def busy(self, part: str) -> None:
        """The part got on, and is at work."""
        self._since[part] = monotonic()

    def turning(self, part: str, more: float = 0.0) -> None:
        """The part came round, and will again; this time it may take so many seconds more."""
        self._turned[part] = monotonic() + more

    def idle(self, part: str) -> None:
        """The part waits for work, or for others, which may take any time."""
        self._since.pop(part, None)
        self._turned.pop(part, None)

    @property
    def is_idle(self) -> bool:
        """Whether no part is at work."""
        return not self._since

    def late(self, now: float) -> list[str]:
        """The parts that have been at work, or not come round, for too long."""
        watched = [*self._since.copy().items(), *self._turned.copy().items()]
        return [part for part, since in watched if now - since > self.stall_after]

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self.stall_after / 4)):
            if late := self.late(monotonic()):
                structlog.get_logger("watchdog").critical("no_progress", parts=late, seconds=self.stall_after)
                self.stalled()
                return
