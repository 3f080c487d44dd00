"""What must not be said twice, and not begin too late: programs, codes and the values around them."""

from __future__ import annotations

from collections.abc import Iterable

from domain.rulebook_dated import FOREVER, Dated, iso
from domain.rulebook_family import DaySource, FamilySource, TimeSource
from domain.rulebook_reader import Place, RuleError, spell


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


def check_beginnings(family: FamilySource, earliest: int) -> None:
    """Refuse a value that begins after the codes it concerns, or after the first day (`earliest`) the rule set is meant for.

    Without this a value added for a later year would hold for all earlier ones too.
    """
    for values, codes in family.groups():
        for code in codes:
            _begin(code.values(), _first_day([code], earliest))
        _begin(values, _first_day(codes, earliest))


def _first_day(codes: Iterable[TimeSource | DaySource], earliest: int) -> int:
    return max(earliest, min((code.head.in_force.versions[0].first for code in codes), default=FOREVER))


def _begin(values: Iterable[Dated[object]], latest: int) -> None:
    for value in values:
        first = value.versions[0].first
        if first > latest:
            expected = f"a first version from {iso(latest)} or earlier"
            raise RuleError((*value.place.path, 0, "from"), expected, f"{iso(first)}, which would hold for the days before it too")
