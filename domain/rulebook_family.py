"""The rule file of one family, read into dated values. The keys here are all there are: a new family uses these, not Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from domain.rulebook import Visit
from domain.rulebook_dated import Citations, Dated, Shape, read_dated
from domain.rulebook_reader import Place, nothing
from domain.rulebook_requirements import RequirementSource, read_requirements

LONGEST_WINDOW: Final = 30
"""Days of a device window at most: `domain.records` looks as far as that."""
ROLES: Final = frozenset(
    "physician np pa cns cnm pt ot slp rn lpn ma pharmacist csw clinical_psychologist chw".split()  # noqa: SIM905 - reads better
)
EMPLOYMENTS: Final = frozenset({"employee", "contractor", "leased"})
VISIT_KINDS: Final = frozenset({"cpm_initial", "em", "awv", "ippe", "other"})
MODALITIES: Final = frozenset({"in_person", "video", "audio"})
SETTINGS: Final = frozenset({"clinical", "home", "inpatient", "emergency", "snf"})
STAYS: Final = frozenset({"inpatient", "snf", "observation", "hospice"})


@dataclass(frozen=True, slots=True)
class Employment:
    """Kinds of employment that count for roles outside `exempt`."""

    kinds: frozenset[str]
    exempt: frozenset[str]


@dataclass(frozen=True, slots=True)
class CodeSource:
    """What every code has: words for people and the days it is in force."""

    place: Place
    code: str
    label: str
    rule: str
    in_force: Dated[bool]


@dataclass(frozen=True, slots=True)
class TimeSource:
    """A code earned by time; `adds_to` names the base of an add-on."""

    head: CodeSource
    adds_to: str | None
    minutes: Dated[int]
    at_most: Dated[int] | None
    awaits_close: Dated[bool] | None

    def values(self) -> Iterator[Dated[object]]:
        """What is dated about it, beside being in force."""
        yield self.minutes
        yield from (dated for dated in (self.at_most, self.awaits_close) if dated)


@dataclass(frozen=True, slots=True)
class DaySource:
    """A code earned by days with a reading: `(least, most)` of one window. `kind` is None for a set-up code."""

    head: CodeSource
    kind: str | None
    days: Dated[tuple[int, int]]

    def values(self) -> Iterator[Dated[object]]:
        """What is dated about it, beside being in force."""
        yield self.days


@dataclass(frozen=True, slots=True)
class TrackSource:
    """One track of a family."""

    place: Place
    roles: Dated[frozenset[str]]
    personal: Dated[bool]
    direct_supervision: Dated[frozenset[str]]
    employment: Dated[Employment | None]
    requirements: tuple[RequirementSource, ...]
    codes: tuple[TimeSource, ...]

    def values(self) -> Iterator[Dated[object]]:
        """What is dated about it, its codes left out."""
        yield from (self.roles, self.personal, self.direct_supervision, self.employment)
        yield from (requirement.dated for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class DeviceSource:
    """The device windows of a family."""

    window_days: Dated[int]
    stays: Dated[frozenset[str]]
    codes: tuple[DaySource, ...]
    set_ups: tuple[DaySource, ...]

    def values(self) -> Iterator[Dated[object]]:
        """What is dated about them, their codes left out."""
        yield from (self.window_days, self.stays)


@dataclass(frozen=True, slots=True)
class FamilySource:
    """A whole rule file. `tracks` has the single key None where the family has no tracks."""

    place: Place
    program: str
    default_track: str | None
    consent_ends: Dated[str]
    consent_in_visit: Dated[bool]
    visit: Dated[Visit | None]
    stays: Dated[frozenset[str]]
    one_practitioner: Dated[bool]
    tracks: Mapping[str | None, TrackSource]
    devices: DeviceSource | None

    def values(self) -> Iterator[Dated[object]]:
        """What is dated about it, its tracks, devices and codes left out."""
        yield from (self.consent_ends, self.consent_in_visit, self.visit, self.stays, self.one_practitioner)

    def groups(self) -> Iterator[tuple[tuple[Dated[object], ...], tuple[TimeSource | DaySource, ...]]]:
        """Dated values with the codes they bear on."""
        for track in self.tracks.values():
            yield tuple(track.values()), track.codes
        if self.devices:
            yield tuple(self.devices.values()), (*self.devices.codes, *self.devices.set_ups)
        yield tuple(self.values()), tuple(self.codes())

    def codes(self) -> Iterator[TimeSource | DaySource]:
        """Every code."""
        for track in self.tracks.values():
            yield from track.codes
        if self.devices:
            yield from (*self.devices.codes, *self.devices.set_ups)


def read_family(place: Place, citations: Citations) -> FamilySource:
    """One rule file. Raises RuleError."""
    shared = ("program", "title", "consent_ends", "consent_in_visit", "visit", "stays", "one_practitioner")
    parts = place.fields(shared, ("track", "default_track", "tracks", "devices"))
    parts["title"].text()
    default, tracks = _tracks(place, parts, citations)
    return FamilySource(
        place,
        parts["program"].name(),
        default,
        read_dated(parts["consent_ends"], _ENDS, citations),
        read_dated(parts["consent_in_visit"], _FLAG, citations),
        read_dated(parts["visit"], _VISIT, citations),
        read_dated(parts["stays"], _STAYS, citations),
        read_dated(parts["one_practitioner"], _FLAG, citations),
        tracks,
        _devices(parts["devices"], citations) if "devices" in parts else None,
    )


def _tracks(place: Place, parts: Mapping[str, Place], citations: Citations) -> tuple[str | None, dict[str | None, TrackSource]]:
    if ("track" in parts) == ("tracks" in parts) or ("tracks" in parts) != ("default_track" in parts):
        place.fail("either `track`, or `tracks` with `default_track`", f"{', '.join(k for k in parts if 'track' in k) or 'none of them'}")
    if "track" in parts:
        return None, {None: _track(parts["track"], citations)}
    found = parts["tracks"].parts()
    default = parts["default_track"].one_of(found, "a track")
    return default, {Place(name, part.path).name(): _track(part, citations) for name, part in found.items()}


def _track(place: Place, citations: Citations) -> TrackSource:
    parts = place.fields(("roles", "personal", "direct_supervision", "employment", "requirements", "codes"))
    return TrackSource(
        place,
        read_dated(parts["roles"], _ROLES, citations),
        read_dated(parts["personal"], _FLAG, citations),
        read_dated(parts["direct_supervision"], _ROLES, citations),
        read_dated(parts["employment"], _EMPLOYMENT, citations),
        read_requirements(parts["requirements"], citations),
        tuple(_time_code(code, part, citations) for code, part in parts["codes"].parts().items()),
    )


def _devices(place: Place, citations: Citations) -> DeviceSource:
    parts = place.fields(("window_days", "stays", "codes", "set_up"))
    return DeviceSource(
        read_dated(parts["window_days"], _WINDOW, citations),
        read_dated(parts["stays"], _STAYS, citations),
        tuple(_day_code(code, part, citations, set_up=False) for code, part in parts["codes"].parts().items()),
        tuple(_day_code(code, part, citations, set_up=True) for code, part in parts["set_up"].parts().items()),
    )


def _head(code: str, place: Place, parts: Mapping[str, Place], citations: Citations) -> CodeSource:
    name = Place(code, place.path).name()
    return CodeSource(place, name, parts["label"].text(), parts["rule"].text(), read_dated(parts["in_force"], _IN_FORCE, citations))


def _time_code(code: str, place: Place, citations: Citations) -> TimeSource:
    parts = place.fields(("label", "rule", "in_force", "minutes"), ("adds_to", "at_most", "awaits_close"))
    return TimeSource(
        _head(code, place, parts, citations),
        parts.get("adds_to", nothing(place.path)).optional(Place.name),
        read_dated(parts["minutes"], _COUNT, citations),
        read_dated(parts["at_most"], _COUNT, citations) if "at_most" in parts else None,
        read_dated(parts["awaits_close"], _FLAG, citations) if "awaits_close" in parts else None,
    )


def _day_code(code: str, place: Place, citations: Citations, *, set_up: bool) -> DaySource:
    parts = place.fields(("label", "rule", "in_force", "days", *(() if set_up else ("kind",))))
    return DaySource(
        _head(code, place, parts, citations),
        None if set_up else parts["kind"].name(),
        read_dated(parts["days"], _LEAST if set_up else _LEAST_AND_MOST, citations),
    )


def _read_visit(fields: Mapping[str, Place]) -> Visit:
    return Visit(
        kinds=fields["kinds"].some_of(VISIT_KINDS, "a kind of visit"),
        modalities=fields["modalities"].optional(lambda place: place.some_of(MODALITIES, "a modality")),
        settings=fields["settings"].optional(lambda place: place.some_of(SETTINGS, "a setting")),
        least_seconds=60 * fields["least_minutes"].whole(0),
        within_months=fields["within_months"].optional(lambda place: place.whole(1)),
        counts_from=fields["counts_from"].one_of({"start", "end"}, "where time begins to count"),
        is_time=fields["is_time"].flag(),
    )


def _read_employment(fields: Mapping[str, Place]) -> Employment:
    return Employment(fields["value"].some_of(EMPLOYMENTS, "an employment"), fields["exempt_roles"].some_of(ROLES, "a role"))


def _read_days(fields: Mapping[str, Place]) -> tuple[int, int]:
    least = fields["least"].whole(1)
    return least, fields["most"].whole(least) if "most" in fields else least


_FLAG: Final = Shape(("value",), lambda fields: fields["value"].flag())


def _read_window(fields: Mapping[str, Place]) -> int:
    days = fields["value"].whole(1)
    if days > LONGEST_WINDOW:
        fields["value"].fail(f"at most {LONGEST_WINDOW} days: no month further away is decided again for a reading", f"{days} days")
    return days


_WINDOW: Final = Shape(("value",), _read_window)
_COUNT: Final = Shape(("value",), lambda fields: fields["value"].whole(1))
_IN_FORCE: Final = Shape((), lambda _: True, absent=lambda: False, ends=True)
_ENDS: Final = Shape(("value",), lambda fields: fields["value"].one_of({"instant", "month_end"}, "when a revocation takes effect"))
_ROLES: Final = Shape(("value",), lambda fields: fields["value"].some_of(ROLES, "a role"))
_STAYS: Final = Shape(("value",), lambda fields: fields["value"].some_of(STAYS, "a kind of stay"))
_EMPLOYMENT: Final[Shape[Employment | None]] = Shape(("value", "exempt_roles"), _read_employment, absent=lambda: None)
_LEAST: Final = Shape(("least",), _read_days)
_LEAST_AND_MOST: Final = Shape(("least", "most"), _read_days)
_VISIT_KEYS: Final = ("kinds", "modalities", "settings", "least_minutes", "within_months", "counts_from", "is_time")
_VISIT: Final[Shape[Visit | None]] = Shape(_VISIT_KEYS, _read_visit, absent=lambda: None)
