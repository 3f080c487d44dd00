"""From the document of a rule set to the rules that deciding uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from json import dumps

from domain.rulebook import CodeText, DayRules, Program, Rulebook
from domain.rulebook_claims import check_beginnings, claimed_codes, claimed_programs
from domain.rulebook_dated import FOREVER, Citations
from domain.rulebook_family import DaySource, FamilySource, TimeSource, read_family
from domain.rulebook_reader import Place
from domain.rulebook_resolve import Day, Limits, resolve
from domain.rulebook_ruleset import Header, exclusions_on, read_citations, read_header, read_limits, read_prices

_BEFORE_ALL = 1


def compile_rulebook(document: Mapping[str, object]) -> Rulebook:
    """The rule set a document describes; pure. Raises RuleError with the path of what is wrong."""
    parts = Place(document, ()).fields(("families", "limits", "prices", "ruleset", "sources"))
    citations = read_citations(parts["sources"], parts["ruleset"])
    families = [read_family(place, citations) for place in parts["families"].parts().values()]
    codes = claimed_codes(families)
    header = read_header(parts["ruleset"], citations, claimed_programs(families))
    limits = read_limits(parts["limits"], citations, codes)
    prices = read_prices(parts["prices"], citations, codes)
    check_beginnings(families, limits, header)
    starts, days = _days(families, header, limits, citations)
    return Rulebook(
        id=header.id,
        digest=digest(document),
        legal_status=header.legal_status,
        last_verified_year=header.last_verified_year,
        starts=starts,
        days=days,
        prices={code: tuple((v.first, v.last, v.value) for v in dated.versions) for code, dated in prices.items()},
        facility_pos=header.facility_pos,
        texts={code.head.code: _text(family, code, citations) for family in families for code in family.codes()},
        document=document,
    )


def digest(document: Mapping[str, object]) -> str:
    """The SHA-256 (hex) of a document's canonical JSON: sorted keys, no spaces."""
    return sha256(dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _days(
    families: Sequence[FamilySource], header: Header, limits: Limits, citations: Citations
) -> tuple[tuple[int, ...], tuple[DayRules, ...]]:
    """The days on which anything changes, beginning before all codes, and the rules from each."""
    by_family = {family.program: (family, _edges(family, limits)) for family in families}
    edges = {_BEFORE_ALL}.union(*(edges for _, edges in by_family.values()), *(e.edges() for e in header.exclusions.values()))
    found: list[tuple[int, DayRules]] = []
    programs: dict[str, Program] = {}
    for start in sorted(edges):
        day = Day(start, limits, citations)
        changed = {name: resolve(family, day) for name, (family, own) in by_family.items() if start in own or start == _BEFORE_ALL}
        programs = programs | changed
        rules = DayRules(programs, exclusions_on(header, start, citations))
        if not found or found[-1][1] != rules:
            found.append((start, rules))
    return tuple(start for start, _ in found), tuple(rules for _, rules in found)


def _edges(family: FamilySource, limits: Limits) -> set[int]:
    """The days on which a family's rules change."""
    edges: set[int] = set()
    for values, codes in family.groups():
        of_codes = (dated for code in codes for dated in (*code.values(), code.head.in_force, limits[code.head.code]))
        edges.update(*(dated.edges() for dated in (*values, *of_codes)))
    return edges


def _text(family: FamilySource, code: TimeSource | DaySource, citations: Citations) -> CodeText:
    """The words for a code; cited are its latest values, then the days it is in force."""
    versions = code.head.in_force.versions
    last = versions[-1].last
    citation = citations.cite(*(dated.versions[-1].sources for dated in (*code.values(), code.head.in_force)))
    label, rule = code.head.label, code.head.rule
    return CodeText(code.head.code, family.program, label, rule, citation, versions[0].first, None if last == FOREVER else last)
