"""What holds for time of one program, practitioner and zone in one month: track, roles, the spans in which nothing counts."""

from __future__ import annotations

from typing import NamedTuple

from domain.calendar import Zone, month_days
from domain.facts import History, Registry
from domain.rulebook import Rulebook, Track
from domain.standing import Block, blocks, track_of
from domain.tally import Tally


class Context(NamedTuple):
    """`low` and `high` bound the month in the zone; `tally` is None for a month that is only looked at for overlaps."""

    zone: Zone
    low: int
    high: int
    rules: Track
    blocks: list[Block]
    tally: Tally | None


class Contexts:
    """The contexts of one patient-month, each made once."""

    __slots__ = ("found", "history", "month", "registry", "rulebook", "rules", "tallies")

    def __init__(self, history: History, month: str, registry: Registry, rulebook: Rulebook) -> None:
        self.history = history
        self.month = month
        self.registry = registry
        self.rulebook = rulebook
        self.rules = rulebook.at(month_days(month)[0])
        self.found: dict[tuple[str, str, str, str], Context] = {}
        self.tallies: dict[tuple[str, str], Tally] = {}

    def get(self, program: str, practitioner: str, local: Zone, month: str) -> Context:
        """The context of time at a place with this zone."""
        key = (program, practitioner, local.name, month)
        context = self.found.get(key)
        if context is None:
            context = self.found[key] = self._make(program, practitioner, local, month)
        return context

    def _make(self, name: str, practitioner: str, local: Zone, month: str) -> Context:
        rules = self.rules if month == self.month else self.rulebook.at(month_days(month)[0])
        program = rules.programs[name]
        track = track_of(self.history, program, practitioner, month, self.registry)
        low, high = local.month_bounds(month)
        found = blocks(self.history, program, practitioner, local, month, self.registry)
        tally = None
        if month == self.month:
            tally = self.tallies.get((name, practitioner)) or Tally(name, practitioner, track)
            self.tallies[name, practitioner] = tally
        return Context(local, low, high, program.tracks[track], found, tally)
