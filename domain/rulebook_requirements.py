"""What must be on file before a line is payable, as rule files say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.rulebook import Requirement
from domain.rulebook_dated import Citations, Dated, Shape, read_dated
from domain.rulebook_reader import Place, nothing

CATEGORIES: Final = frozenset({"chronic_pain", "chronic", "high_risk", "behavioral", "acute"})
LEVELS: Final = frozenset({"low", "moderate", "high"})


@dataclass(frozen=True, slots=True)
class RequirementSource:
    """One requirement of a track, dated."""

    name: str
    dated: Dated[Requirement | None]

    def on(self, day: int, citations: Citations) -> Requirement | None:
        """The requirement of a day with its citation; None where nothing is required."""
        version = self.dated.version(day)
        return version.value._replace(citation=citations.cite(version.sources)) if version.value else None


def read_requirements(place: Place, citations: Citations) -> tuple[RequirementSource, ...]:
    """The requirements of a track, sorted by name. Raises RuleError."""
    found = []
    for name, part in sorted(place.parts().items()):
        if name not in _SHAPES:
            part.fail(f"one of the requirements {', '.join(sorted(_SHAPES))}", f"the unknown requirement '{name}'")
        found.append(RequirementSource(name, read_dated(part, _SHAPES[name], citations)))
    return tuple(found)


def _condition(fields: Mapping[str, Place]) -> Requirement:
    missing = nothing(())
    return Requirement(
        "condition",
        fields["text"].text(),
        "",
        category=fields["category"].one_of(CATEGORIES, "a category of condition"),
        different=fields["count"].whole(1),
        months=fields.get("months", missing).optional(lambda place: place.whole(1)),
        onset_months=fields.get("onset_months", missing).optional(lambda place: place.whole(1)),
    )


def _mdm(fields: Mapping[str, Place]) -> Requirement:
    return Requirement("mdm", fields["text"].text(), "", levels=fields["value"].some_of(LEVELS, "a level"))


_SHAPES: Final[Mapping[str, Shape[Requirement | None]]] = {
    "care_plan": Shape(("text",), lambda fields: Requirement("care_plan", fields["text"].text(), ""), absent=lambda: None),
    "condition": Shape(("category", "count", "text"), _condition, optional=("months", "onset_months"), absent=lambda: None),
    "interactive_contact": Shape(
        ("text",), lambda fields: Requirement("interactive_contact", fields["text"].text(), ""), absent=lambda: None
    ),
    "mdm": Shape(("value", "text"), _mdm, absent=lambda: None),
}
