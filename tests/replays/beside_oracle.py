"""Plans beside the second-by-second oracle, which is told the change in its own tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

from ledger import open_ledger
from tests import oracle
from tests.generators import Dice, Story
from tests.ledger.other_rules import FIVE, book
from tests.ledger.replays import Event, Key, feed, key_of, planned, units_of
from tests.oracle import rulebook
from tests.oracle.rulebook import Tier, minutes
from tests.properties.told import PAYABLE, months_of_time

Figures = dict[Key, int]
Table = tuple[Any, Mapping[Any, Any]]
CHANGES: dict[str, Table] = {
    "G3003 each 20 minutes": (rulebook.TIERS, {("CPM", None): [Tier("G3002", minutes(30), "G3003", minutes(20))]}),
    "RPM with 16 days": (rulebook.TWO_DAYS_FROM, {"RPM": date(2090, 1, 1)}),
    "CCM without ma": (rulebook.ROLES, {("CCM", "staff"): rulebook.STAFF - {"ma"}}),
    "RPM beside RTM": (rulebook.NOT_TOGETHER, {frozenset({"RPM", "RTM"}): "nobody"}),
}
"""What the oracle's tables are under each change but that of prices, which it has as a table of its own."""


@contextmanager
def told(change: str) -> Iterator[None]:
    """The oracle under a change."""
    table, values = CHANGES[change]
    with patch.dict(table, values):
        yield


def histories(seeds: Sequence[int]) -> list[Event]:
    """Stories without closes, each of a tenant of its own."""
    return [event for seed in seeds for event in Story(Dice(seed), f"t{seed}").tell(closes=False)]


def disagreements(change: str, seeds: Sequence[int]) -> tuple[int, int, list[str]]:
    """How many patient-months were compared, how many lines differ between the rules, and where plan and oracle say otherwise."""
    events = histories(seeds)
    before = _units(events)
    with told(change):
        after = _units(events)
    expected = {key: (before.get(key, 0), after.get(key, 0)) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    with open_ledger("sqlite://") as ledger:
        found = units_of(planned(feed(ledger, events), book(FIVE[change])))
    moved = {key: units for key, units in found.items() if units[0] != units[1]}
    wrong = [
        f"{change}: {'/'.join(key)}: the plan has {moved.get(key)}, the oracle {expected.get(key)}"
        for key in sorted(moved.keys() | expected.keys())
        if moved.get(key) != expected.get(key)
    ]
    return len(set(months_of_time(events))), len(expected), wrong


def _units(events: Sequence[Event]) -> Figures:
    return {key_of(line): line["units"] for line in oracle.decide(events).lines if line["status"] in PAYABLE}
