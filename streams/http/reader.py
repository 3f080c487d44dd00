"""Reads of the ledger, off the event loop, a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from ledger import Ledger

T = TypeVar("T")


class Reader:
    """Carries questions to the ledger; each has a connection of its own, and more at once would only wait for the processor."""

    def __init__(self, ledger: Ledger, at_once: int) -> None:
        self.ledger = ledger
        self._room = CapacityLimiter(at_once)

    async def __call__(self, question: Callable[[Ledger], T]) -> T:
        """The answer to a question; it raises what the ledger raises."""
        return await to_thread.run_sync(lambda: question(self.ledger), limiter=self._room)
