"""When the broker is asked: ahead of need while much waits there, else only at the moment somebody wants what there is.

aiokafka asks for more as soon as its last answer was handed over. At the end of the streams that answer holds the little there was then,
and grows old while a batch is taken; what came meanwhile would wait for the one after.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Gate:
    """Lets one consumer's fetcher ask, in the fetcher's own event loop. `ahead` lets it ask whenever it will."""

    def __init__(self, fetcher: Any) -> None:
        self.fetcher = fetcher
        self.ahead = True
        self._wanted = False
        self._actions = fetcher._get_actions_per_node
        fetcher._get_actions_per_node = self._allowed

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """What there is, is wanted for the length of the block."""
        self._wanted = True
        self.fetcher._notify(self.fetcher._wait_consume_future)
        try:
            yield
        finally:
            self._wanted = False

    def _allowed(self, assignment: Any) -> tuple[Any, ...]:
        """What aiokafka would do now, without the fetching where nobody wants it: then it waits until somebody does."""
        fetches, *others = self._actions(assignment)
        return (fetches if self._wanted or self.ahead else [], *others)
