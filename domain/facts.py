"""What happened, reduced to what deciding needs: plain tuples, instants in epoch seconds, dates as ordinals.

`identity` is source, a tab and id: control characters are refused in both, so its order is that of the pair.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
ALWAYS: Final = 0


class Entry(NamedTuple):
    """Logged time. The fields begin with what decides who wins an overlap: start, recording time, identity."""

    start: int
    time: int
    identity: str
    end: int
    program: str
    practitioner: str
    performer: str
    site: str
    source: str
    interactive: bool
    direct: bool
    dead: bool


class Visit(NamedTuple):
    """A completed visit; begins with what decides which of two came first."""

    start: int
    time: int
    identity: str
    end: int
    kind: str
    practitioner: str
    site: str
    modality: str
    setting: str
    em_billed: bool


class Consent(NamedTuple):
    """A consent (`given`) or its revocation."""

    at: int
    given: bool
    program: str
    practitioner: str
    time: int
    identity: str


class Enrollment(NamedTuple):
    """The start (`started`) or the end of an enrolment; an end has neither site nor track."""

    at: int
    started: bool
    program: str
    practitioner: str
    site: str | None
    track: str | None
    time: int
    identity: str


class Condition(NamedTuple):
    """A recorded condition; `icd10` upper-case without dots, `onset` a date ordinal, `months` its expected duration."""

    category: str
    icd10: str
    onset: int | None
    months: int | None
    time: int
    identity: str


class Plan(NamedTuple):
    """A care plan recorded for a program and practitioner."""

    at: int
    program: str
    practitioner: str
    time: int
    identity: str


class Complexity(NamedTuple):
    """The level of medical decision making a practitioner recorded for a month."""

    month: str
    practitioner: str
    level: str
    time: int
    identity: str


class SetUp(NamedTuple):
    """A device set up for a patient."""

    at: int
    program: str
    kind: str
    practitioner: str
    site: str
    time: int
    identity: str


class Reading(NamedTuple):
    """One transmission of a device."""

    at: int
    identity: str
    program: str
    kind: str
    time: int


class Stay(NamedTuple):
    """A facility stay; without `end` it lasts."""

    start: int
    end: int | None
    kind: str
    time: int
    identity: str


class Death(NamedTuple):
    """When the patient died."""

    at: int
    time: int
    identity: str


class Conflict(NamedTuple):
    """Seconds in which a performer of this patient has time or a visit with another patient."""

    performer: str
    start: int
    end: int
    identity: str


class Memory:
    """What was found of a patient's lasting facts, kept from one month to the next; what rests on another registry is forgotten."""

    __slots__ = ("found", "registry")

    def __init__(self) -> None:
        self.registry: Registry | None = None
        self.found: dict[tuple[object, ...], Any] = {}

    def of(self, registry: Registry) -> dict[tuple[object, ...], Any]:
        """What was found with this registry."""
        if registry is not self.registry:
            self.registry, self.found = registry, {}
        return self.found


@dataclass(slots=True)
class History:
    """All facts that bear on one patient-month. The order of the lists does not matter; histories of one patient may share a memory, and
    must not be changed then."""

    entries: Sequence[Entry] = ()
    visits: Sequence[Visit] = ()
    consents: Sequence[Consent] = ()
    enrollments: Sequence[Enrollment] = ()
    conditions: Sequence[Condition] = ()
    plans: Sequence[Plan] = ()
    complexities: Sequence[Complexity] = ()
    set_ups: Sequence[SetUp] = ()
    readings: Sequence[Reading] = ()
    stays: Sequence[Stay] = ()
    deaths: Sequence[Death] = ()
    conflicts: Sequence[Conflict] = ()
    memory: Memory | None = field(default=None, repr=False, compare=False)

    def known(self, registry: Registry) -> dict[tuple[object, ...], Any]:
        """What was found of the lasting facts with this registry; nothing where there is no memory."""
        return {} if self.memory is None else self.memory.of(registry)


class Site(NamedTuple):
    """One version of a site: where its clocks are and its place-of-service code."""

    zone: str
    pos: str


class Person(NamedTuple):
    """One version of a person who does or bills work."""

    role: str
    employment: str | None


class Versions(NamedTuple, Generic[T]):
    """Dated versions of a registration: `values[i]` holds from the date `starts[i]` (ordinal, `ALWAYS` = no first day) on."""

    starts: tuple[int, ...]
    values: tuple[T, ...]

    def on(self, day: int) -> T | None:
        """The version that holds on a date; None before the first."""
        index = bisect_right(self.starts, day) - 1
        return self.values[index] if index >= 0 else None

    def during(self, first: int, last: int) -> T | None:
        """The version that holds on all dates in `[first, last]`; None where it changes between them or begins later."""
        index = bisect_right(self.starts, first) - 1
        changes = index < 0 or (index + 1 < len(self.starts) and self.starts[index + 1] <= last)
        return None if changes else self.values[index]


@dataclass(slots=True)
class Registry:
    """The tenant's sites and people, each with its versions."""

    sites: Mapping[str, Versions[Site]] = field(default_factory=dict)
    people: Mapping[str, Versions[Person]] = field(default_factory=dict)
