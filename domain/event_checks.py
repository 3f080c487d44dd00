"""What one field of an event says about another, and what only the vocabulary knows (docs/contract.md §1).

One function a type of event. Each returns the event, with the defaults filled in that depend on other fields,
or raises `Invalid` with reason `invalid_data`.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from domain.event import Event
from domain.event_errors import Invalid
from domain.event_types import (
    ConsentGiven,
    ConsentRevoked,
    DeviceReading,
    DeviceSetUp,
    EnrollmentEnded,
    EnrollmentStarted,
    EventRetracted,
    Fact,
    MonthClosed,
    PlanRecorded,
    StayRecorded,
    TimeLogged,
    VisitCompleted,
)
from domain.instants import month_end
from domain.vocabulary import Vocabulary

LONGEST_INTERVAL: Final = 12 * 3600
"""Seconds that one time entry or visit may last at most."""
DEFAULT_TRACK: Final = "staff"

Check = Callable[[Event, Any, Vocabulary], Event]


class _OfProgram(Protocol):
    @property
    def program(self) -> str: ...


def _program(event: Event, data: _OfProgram, vocabulary: Vocabulary) -> Event:
    if data.program not in vocabulary.programs:
        raise _invalid("program", f"must be {_any_of(vocabulary.programs)}; choose one of them")
    return event


def _enrollment(event: Event, data: EnrollmentStarted, vocabulary: Vocabulary) -> Event:
    _program(event, data, vocabulary)
    tracks = vocabulary.tracks.get(data.program)
    if tracks is None and data.track is None:
        return event
    if tracks is None:
        raise _invalid("track", "belongs to programs with tracks and this one has none; remove it")
    track = DEFAULT_TRACK if data.track is None else data.track
    if track not in tracks:
        raise _invalid("track", f"must be {_any_of(tracks)} for this program; choose one of them")
    return event._replace(data=data.model_copy(update={"track": track}))


def _time(event: Event, data: TimeLogged, vocabulary: Vocabulary) -> Event:
    _program(event, data, vocabulary)
    _interval(data.start, data.end)
    return event


def _visit(event: Event, data: VisitCompleted, _vocabulary: Vocabulary) -> Event:
    _interval(data.start, data.end)
    return event


def _device(event: Event, data: DeviceSetUp | DeviceReading, vocabulary: Vocabulary) -> Event:
    kinds = vocabulary.device_kinds.get(data.program)
    if kinds is None:
        raise _invalid("program", f"must be a program with devices, {_any_of(vocabulary.device_kinds)}; choose one of them")
    if data.kind not in kinds:
        raise _invalid("kind", f"must be {_any_of(kinds)} for this program; choose one of them")
    return event


def _stay(event: Event, data: StayRecorded, _vocabulary: Vocabulary) -> Event:
    if data.end is not None and data.end < data.start:
        raise _invalid("end", "is earlier than start; correct one of them, or leave end out while the stay goes on")
    return event


def _close(event: Event, data: MonthClosed, _vocabulary: Vocabulary) -> Event:
    if event.subject != event.tenant:
        raise Invalid("invalid_data", "subject: must be the tenant itself for the close of a month; write the tenant there.")
    if data.at < month_end(data.month):
        raise _invalid("at", "is before the month is over in UTC; close the month after its end")
    return event


def _retraction(event: Event, data: EventRetracted, _vocabulary: Vocabulary) -> Event:
    source = event.source if data.source is None else data.source
    if (source, data.id) == (event.source, event.id):
        raise _invalid("id", "names the retraction itself; give the id of the event to retract")
    return event._replace(data=data.model_copy(update={"source": source}))


CHECKS: Final[Mapping[type[Fact], Check]] = MappingProxyType(
    {
        ConsentGiven: _program,
        ConsentRevoked: _program,
        DeviceReading: _device,
        DeviceSetUp: _device,
        EnrollmentEnded: _program,
        EnrollmentStarted: _enrollment,
        EventRetracted: _retraction,
        MonthClosed: _close,
        PlanRecorded: _program,
        StayRecorded: _stay,
        TimeLogged: _time,
        VisitCompleted: _visit,
    }
)
"""The types that are not here have no field that depends on another."""


def _interval(start: int, end: int) -> None:
    if end <= start:
        raise _invalid("end", "must be later than start by at least one whole second; correct one of them")
    if end - start > LONGEST_INTERVAL:
        raise _invalid("end", "lies more than 12 hours after start; correct it, or record several intervals")


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid("invalid_data", f"data.{field}: {sentence}.")


def _any_of(words: Iterable[str]) -> str:
    *others, last = sorted(words)
    return f"{', '.join(others)} or {last}" if others else last
