"""The decision on one patient-month: a pure function of a set of facts, the registry and the rules.

No clock, no counters, no order: a late event, a retraction, a registration or a new rule is the same thing, a
different set, and the answer is found anew.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from domain.allocation import allocate
from domain.calendar import month_days
from domain.devices import device_month, owners
from domain.exclusions import Side, conflict, exclude
from domain.facts import History, Registry
from domain.lines import Line, Next, device_line, next_code, provisional_day, reach, time_lines, unmet
from domain.rulebook import DayRules, Program, Rulebook, Track
from domain.tally import Tally


class ProgramDecision(NamedTuple):
    """What the month comes to for one program and practitioner."""

    program: str
    practitioner: str
    track: str | None
    tally: Tally
    lines: tuple[Line, ...]
    next: Next | None
    unmet: tuple[str, ...]
    in_force: bool
    early_codes: tuple[str, ...] = ()


class Decision(NamedTuple):
    """The answer for one patient-month, with its reasons."""

    month: str
    programs: tuple[ProgramDecision, ...]

    @property
    def lines(self) -> list[Line]:
        """All lines of the month."""
        return [line for program in self.programs for line in program.lines]


def decide(history: History, month: str, registry: Registry, rulebook: Rulebook) -> Decision:
    """Decide one patient-month from everything known about it."""
    rules = rulebook.at(month_days(month)[0])
    drafts = [
        _draft(tally, rules.programs[tally.program], history, month, registry, rulebook)
        for tally in allocate(history, month, registry, rulebook)
    ]
    if history.set_ups:
        drafts = _with_devices(drafts, history, month, registry, rulebook)
    return Decision(month, tuple(_settle(drafts, rules)))


def _draft(tally: Tally, program: Program, history: History, month: str, registry: Registry, rulebook: Rulebook) -> ProgramDecision:
    track = program.tracks[tally.track]
    lines = time_lines(tally, track, history, month, registry, rulebook)
    missing = lines[0].unmet if lines else _provisional(tally, track, history, month) if tally.counted else ()
    return ProgramDecision(
        tally.program, tally.practitioner, tally.track, tally, tuple(lines), next_code(track, tally.total), missing, bool(track.bases)
    )


def _provisional(tally: Tally, track: Track, history: History, month: str) -> tuple[str, ...]:
    zone, day = provisional_day(tally)
    return unmet(history, track, tally, month, zone, day)


def _with_devices(
    drafts: list[ProgramDecision], history: History, month: str, registry: Registry, rulebook: Rulebook
) -> list[ProgramDecision]:
    by_side = {(d.program, d.practitioner): d for d in drafts}
    rules = rulebook.at(month_days(month)[0])
    for name, practitioner in owners(history):
        found, early = device_month(history, month, name, practitioner, registry, rulebook)
        if not found and not early:
            continue
        draft = by_side.get((name, practitioner))
        if draft is None:
            program = rules.programs[name]
            draft = _draft(Tally(name, practitioner, program.default_track), program, history, month, registry, rulebook)
        more = [device_line(line, name, practitioner, registry, rulebook) for line in found]
        by_side[name, practitioner] = draft._replace(lines=(*draft.lines, *more), early_codes=early)
    return [by_side[key] for key in sorted(by_side)]


def _settle(drafts: list[ProgramDecision], rules: DayRules) -> list[ProgramDecision]:
    with_lines = [d for d in drafts if d.lines]
    if not any(conflict(one[:2], other[:2], rules) for one, other in combinations(with_lines, 2)):
        return drafts
    sides = [Side(_crossed(d, rules.programs[d.program].tracks[d.track]), d.program, d.practitioner, list(d.lines)) for d in with_lines]
    lines = exclude(sides, rules)
    return [d._replace(lines=tuple(lines[d.program, d.practitioner])) if d.lines else d for d in drafts]


def _crossed(draft: ProgramDecision, track: Track) -> int:
    """When the side came to stand: its lowest base threshold filled, held or not, or its first device or set-up line."""
    instants = [line.crossed for line in draft.lines if line.seconds is None]
    if track.bases and draft.tally.total >= track.bases[0].seconds:
        instants.append(reach(draft.tally.counted, track.bases[0].seconds)[0])
    return min(instants)
