"""What a rule set says beside its families: who it is, its sources, unit limits, prices and what is not paid together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from domain.rulebook import Exclusion, Price
from domain.rulebook_dated import LEGAL_STATUSES, Citations, Dated, Shape, read_dated
from domain.rulebook_reader import Place, RuleError, nothing

LIFECYCLES: Final = frozenset({"draft", "approved", "active", "retired"})
SCOPES: Final = frozenset({"practitioner", "patient"})


@dataclass(frozen=True, slots=True)
class Header:
    """`ruleset.yaml`. `first_service_day` is the first day (ordinal) for which the values are meant."""

    id: str
    legal_status: str
    last_verified_year: int
    first_service_day: int
    facility_pos: frozenset[str]
    exclusions: Mapping[str, Dated[Exclusion | None]]


def read_header(place: Place, citations: Citations, programs: frozenset[str]) -> Header:
    """Who the rule set is, and what holds over families. Raises RuleError."""
    keys = ("id", "title", "lifecycle", "legal_status", "last_verified", "last_verified_year", "first_service_day")
    parts = place.fields((*keys, "facility_pos", "exclusions", "conversion_factors"), ("notes",))
    parts["title"].text()
    parts["lifecycle"].one_of(LIFECYCLES, "a lifecycle")
    parts["last_verified"].day()
    read_dated(parts["conversion_factors"], _FACTOR, citations)
    for note in parts.get("notes", Place({}, place.path)).parts().values():
        read_dated(note, _NOTE, citations)
    return Header(
        parts["id"].name(),
        parts["legal_status"].one_of(LEGAL_STATUSES, "a legal status"),
        parts["last_verified_year"].whole(2000),
        parts["first_service_day"].day(),
        _facility_pos(parts["facility_pos"], citations),
        _exclusions(parts["exclusions"], citations, programs),
    )


def read_citations(sources: Place, ruleset: Place) -> Citations:
    """The sources a document knows, and whether it may hold proposals. Raises RuleError."""
    known = {key: _cited_as(key, part) for key, part in sources.parts().items()}
    status = ruleset.parts().get("legal_status", nothing((*ruleset.path, "legal_status")))
    return Citations(known, proposals=status.one_of(LEGAL_STATUSES, "a legal status") == "proposed")


def _cited_as(key: str, place: Place) -> str:
    parts = place.fields(("kind", "title"), ("cite",))
    for part in parts.values():
        part.text()
    return str(parts["cite"].value) if "cite" in parts else key


def _facility_pos(place: Place, citations: Citations) -> frozenset[str]:
    versions = read_dated(place, _POS, citations).versions
    if len(versions) != 1:
        place.fail("one version: places of service are not told apart by date", f"{len(versions)} versions")
    return versions[0].value


def _read_pos(fields: Mapping[str, Place]) -> frozenset[str]:
    return frozenset(_two_digits(item) for item in fields["value"].items())


def _two_digits(place: Place) -> str:
    if not (isinstance(place.value, str) and len(place.value) == 2 and place.value.isdecimal()):
        place.fail("a place-of-service code: two digits in quotes")
    return place.value


def _exclusions(place: Place, citations: Citations, programs: frozenset[str]) -> dict[str, Dated[Exclusion | None]]:
    found: dict[str, Dated[Exclusion | None]] = {}
    pairs: dict[frozenset[str], str] = {}
    for name, part in place.parts().items():
        found[name] = read_dated(part, _EXCLUSION, citations)
        for pair in _pairs(part, programs):
            other = pairs.setdefault(pair, name)
            if other != name:
                part.fail(f"programs that '{other}' does not already exclude", f"{' and '.join(sorted(pair))} in '{name}'")
    return found


def _pairs(place: Place, programs: frozenset[str]) -> Iterator[frozenset[str]]:
    """The pairs an exclusion names; each program must have a rule file."""
    for version in place.items():
        fields = version.parts()
        if "programs" in fields:
            yield fields["programs"].some_of(programs, "a program with a rule file")


def _read_exclusion(fields: Mapping[str, Place]) -> Exclusion:
    names = [item.name() for item in fields["programs"].items()]
    if len(set(names)) != 2 or len(names) != 2:
        fields["programs"].fail("two different programs", f"{len(names)} ({', '.join(names) or 'none'})")
    scope = fields["of"].one_of(SCOPES, "whose lines exclude each other")
    return Exclusion(names[0], names[1], same_practitioner=scope == "practitioner", citation="")


def exclusions_on(header: Header, day: int, citations: Citations) -> tuple[Exclusion, ...]:
    """The exclusions of a day."""
    versions = [dated.version(day) for dated in header.exclusions.values()]
    return tuple(v.value._replace(citation=citations.cite(v.sources)) for v in versions if v.value)


def read_limits(place: Place, citations: Citations, codes: Mapping[str, Place]) -> dict[str, Dated[int | None]]:
    """The most units of a code for one date of service (MUE), for every code; `absent: true` where none is published."""
    limits = {}
    for code, part in place.parts().items():
        _known(code, codes, part)
        limits[code] = read_dated(part, _LIMIT, citations)
    for code in codes:
        if code not in limits:
            raise RuleError(
                (*place.path, code), "a unit limit, or `absent: true`, for every code of a family", "nothing: the key is missing"
            )
    return limits


def read_prices(place: Place, citations: Citations, codes: Mapping[str, Place]) -> dict[str, Dated[Price]]:
    """The national amounts of each code, from the rows of a table. Raises RuleError."""
    rows: dict[str, list[Place]] = {}
    for row in place.items():
        code = row.parts().get("code", nothing((*row.path, "code")))
        _known(code.name(), codes, code)
        rows.setdefault(code.name(), []).append(row)
    return {code: read_dated(items[0], _PRICE, citations, items) for code, items in rows.items()}


def _known(code: str, codes: Mapping[str, Place], place: Place) -> None:
    if code not in codes:
        place.fail("a code that a rule file claims", f"'{code}'")


def _read_price(fields: Mapping[str, Place]) -> Price:
    return Price(fields["nonfacility"].optional(Place.cents), fields["facility"].optional(Place.cents))


def _read_limit(fields: Mapping[str, Place]) -> int:
    fields["mai"].whole(1)
    return fields["value"].whole(1)


_POS: Final = Shape(("value",), _read_pos)
_EXCLUSION: Final[Shape[Exclusion | None]] = Shape(("programs", "of"), _read_exclusion, absent=lambda: None)
_LIMIT: Final[Shape[int | None]] = Shape(("value", "mai"), _read_limit, absent=lambda: None)
_PRICE: Final = Shape(("code", "nonfacility", "facility"), _read_price, ends=True)
_FACTOR: Final = Shape(("value",), lambda fields: fields["value"].text(), optional=("qualifying",), ends=True)
_NOTE: Final = Shape(("text",), lambda fields: fields["text"].text())
