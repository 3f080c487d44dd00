"""Several writers of one ledger at the same instant, each with connections of its own."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier
from typing import Any, TypeVar

from ledger import Ledger, Summary, open_ledger
from ledger.arrivals import Fate

T = TypeVar("T")
Event = dict[str, Any]
RACES = int(os.environ.get("CAREMONTH_TEST_RACES", "300"))
"""How often what may go wrong is tried."""


@contextmanager
def writers(url: str, number: int = 2) -> Iterator[list[Ledger]]:
    """So many ledgers on the same database, which is there."""
    with ExitStack() as stack:
        found = [stack.enter_context(open_ledger(url)) for _ in range(number)]
        for one in found:
            assert one.rulebook
        yield found


def at_once(pool: ThreadPoolExecutor, works: Sequence[Callable[[], T]]) -> list[T]:
    """What the works return, started together."""
    barrier = Barrier(len(works))

    def one(work: Callable[[], T]) -> T:
        barrier.wait()
        return work()

    return [future.result() for future in [pool.submit(one, work) for work in works]]


def taken(ledger: Ledger, *events: Event) -> list[Fate]:
    """What becomes of the events, in one transaction; nothing is decided yet."""
    return ledger.take(ledger.read(("race", json.dumps(event).encode()) for event in events))


def accepted(ledger: Ledger, *events: Event) -> None:
    """Take events in, all of which are new."""
    assert Summary.of(taken(ledger, *events)) == (len(events), 0, 0)
