"""What must not be said twice, and not begin too late: programs, codes and the values around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from domain.rulebook_dated import FOREVER, Dated, iso
from domain.rulebook_family import DaySource, FamilySource, TimeSource
from domain.rulebook_reader import Place, RuleError, spell
from domain.rulebook_ruleset import Header


def claimed_programs(families: Iterable[FamilySource]) -> frozenset[str]:
    """The programs; each is claimed by one rule file. Raises RuleError naming both files."""
    found: dict[str, Place] = {}
    for family in families:
        if family.program in found:
            expected = f"a program that '{found[family.program].path[-1]}' does not already claim"
            raise RuleError((*family.place.path, "program"), expected, f"'{family.program}'")
        found[family.program] = family.place
    return frozenset(found)


def claimed_codes(families: Iterable[FamilySource]) -> dict[str, Place]:
    """Where each code is described; once only. Raises RuleError naming both places."""
    found: dict[str, Place] = {}
    for head in (code.head for family in families for code in family.codes()):
        if head.code in found:
            head.place.fail(f"a code that {spell(found[head.code].path[1:])} does not already claim", f"'{head.code}'")
        found[head.code] = head.place
    return found


def check_beginnings(families: Sequence[FamilySource], limits: Mapping[str, Dated[int | None]], header: Header) -> None:
    """Refuse a value that begins after the codes it concerns, or after the first day the rule set is meant for.

    Without this a value added for a later year would hold for all earlier ones too.
    """
    earliest = header.first_service_day
    for family in families:
        _check_family(family, limits, earliest)
    first_days = {family.program: _first_day(family.codes(), earliest) for family in families}
    for exclusion in header.exclusions.values():
        named = (v.value for v in exclusion.versions if v.value)
        _begin([exclusion], max((first_days[name] for value in named for name in (value.first, value.second)), default=earliest))


def _check_family(family: FamilySource, limits: Mapping[str, Dated[int | None]], earliest: int) -> None:
    for values, codes in family.groups():
        for code in codes:
            _begin((*code.values(), limits[code.head.code]), _first_day([code], earliest))
        _begin(values, _first_day(codes, earliest))


def _first_day(codes: Iterable[TimeSource | DaySource], earliest: int) -> int:
    return max(earliest, min((code.head.in_force.versions[0].first for code in codes), default=FOREVER))


def _begin(values: Iterable[Dated[object]], latest: int) -> None:
    for value in values:
        first = value.versions[0].first
        if first > latest:
            expected = f"a first version from {iso(latest)} or earlier"
            raise RuleError((*value.place.path, 0, "from"), expected, f"{iso(first)}, which would hold for the days before it too")
