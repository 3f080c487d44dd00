"""Values with dates: what holds from which day, who says so, how sure that is and when it was last looked up.

A version holds until the day before the next one. `to` may be written to make that visible, and must be written where a code ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, Generic, NamedTuple, TypeVar

from domain.rulebook_reader import Place, RuleError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

CONFIDENCES: Final = frozenset({"S", "K", "K-low", "D"})
LEGAL_STATUSES: Final = frozenset({"final", "proposed"})
EVIDENCE: Final = ("source", "confidence", "last_verified", "legal_status")
FOREVER: Final = date.max.toordinal()


class Version(NamedTuple, Generic[T_co]):
    """One value and the days (ordinals, both inclusive) on which it holds."""

    first: int
    last: int
    value: T_co
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dated(Generic[T_co]):
    """The versions of one value, oldest first, without overlap or gap."""

    place: Place
    versions: tuple[Version[T_co], ...]

    def version(self, day: int) -> Version[T_co]:
        """The version of a day; before the first one, the first."""
        return self.versions[max(bisect_right(self.versions, day, key=lambda v: v.first) - 1, 0)]

    def at(self, day: int) -> T_co:
        """The value of a day; before the first version, the first."""
        return self.version(day).value

    def within(self, day: int) -> T_co | None:
        """The value of a day; None before the first version and after the last."""
        found = self.version(day)
        return found.value if found.first <= day <= found.last else None

    def edges(self) -> set[int]:
        """The days on which the value changes."""
        ends = {v.last + 1 for v in self.versions if v.last < FOREVER}
        return {v.first for v in self.versions} | ends


class Shape(NamedTuple, Generic[T]):
    """How the versions of a value are written: the keys of one, how they become the value, what else is allowed.

    `absent` gives what `absent: true` stands for, where a version may say so; `ends`: the last version may end.
    """

    keys: tuple[str, ...]
    read: Callable[[Mapping[str, Place]], T]
    optional: tuple[str, ...] = ()
    absent: Callable[[], T] | None = None
    ends: bool = False

    def hint(self) -> str:
        """How to say that nothing holds, where that may be said."""
        return " (or `absent: true`)" if self.absent else ""


class Citations(NamedTuple):
    """The sources a document knows (key -> how it is cited) and whether a proposed value may stand in it."""

    known: Mapping[str, str]
    proposals: bool

    def check(self, fields: Mapping[str, Place]) -> tuple[str, ...]:
        """The source keys of a value whose evidence is complete."""
        sources = tuple(s.value for s in fields["source"].items() if self._known(s))
        if not sources:
            fields["source"].fail("at least one key of sources.yaml")
        fields["confidence"].one_of(CONFIDENCES, "a confidence")
        fields["last_verified"].day()
        status = fields["legal_status"].one_of(LEGAL_STATUSES, "a legal status")
        if status == "proposed" and not self.proposals:
            fields["legal_status"].fail("'final' in a rule set whose legal_status is final")
        return tuple(str(s) for s in sources)

    def _known(self, source: Place) -> bool:
        if source.value not in self.known:
            source.fail("a key of sources.yaml")
        return True

    def cite(self, *groups: Sequence[str]) -> str:
        """Source keys as people read them, each once."""
        return ", ".join(dict.fromkeys(self.known[key] for keys in groups for key in keys))


def read_dated(place: Place, shape: Shape[T], citations: Citations, items: Iterable[Place] | None = None) -> Dated[T]:
    """The versions that stand at a place, or at those `items` of it. Raises RuleError."""
    drafts = [_draft(item, shape, citations) for item in (place.items() if items is None else items)]
    if not drafts:
        place.fail("at least one dated value")
    for earlier, later in pairwise(drafts):
        _follow(*earlier, *later, shape)
    last_place, last = drafts[-1]
    if last.last and not shape.ends:
        last_place.fail("no end: say what holds afterwards" + shape.hint(), f"an end on {iso(last.last)}")
    starts = [draft.first for _, draft in drafts[1:]]
    lasts = [*(start - 1 for start in starts), last.last or FOREVER]
    return Dated(place, tuple(draft._replace(last=end) for (_, draft), end in zip(drafts, lasts, strict=True)))


def _draft(item: Place, shape: Shape[T], citations: Citations) -> tuple[Place, Version[T]]:
    """One version; `last` is 0 where no `to` is written."""
    absent = shape.absent if isinstance(item.value, Mapping) and "absent" in item.value else None
    required, optional = (("absent",), ()) if absent else (shape.keys, shape.optional)
    fields = item.fields(("from", *required, *EVIDENCE), ("to", "note", *optional))
    first = fields["from"].day()
    last = fields["to"].day() if "to" in fields else 0
    if last and last < first:
        fields["to"].fail(f"a date from {iso(first)} on")
    if absent and fields["absent"].value is not True:
        fields["absent"].fail("true")
    if "note" in fields:
        fields["note"].text()
    sources = citations.check(fields)
    return item, Version(first, last, absent() if absent else shape.read(fields), sources)


def _follow(place: Place, earlier: Version[T], following: Place, version: Version[T], shape: Shape[T]) -> None:
    """Refuse a version out of order, one that overlaps the version before it, and a gap between the two."""
    if version.first < earlier.first:
        raise RuleError((*following.path, "from"), f"a date after {iso(earlier.first)}: dated values stand in order", iso(version.first))
    if version.first <= max(earlier.first, earlier.last):
        span = f"from {iso(earlier.first)}" + (f" to {iso(earlier.last)}" if earlier.last else "")
        raise RuleError(
            (*following.path, "from"),
            f"a date after the version {span} ({_index(place)}): two versions would hold on one day",
            f"{iso(version.first)} ({_index(following)})",
        )
    if earlier.last and version.first > earlier.last + 1:
        expected = f"a version from {iso(earlier.last + 1)} to {iso(version.first - 1)}" + shape.hint()
        raise RuleError((*following.path, "from"), expected, f"a gap before {iso(version.first)}")


def _index(place: Place) -> str:
    return f"number {int(place.path[-1]) + 1}"


def iso(day: int) -> str:
    """A date ordinal as people write it."""
    return date.fromordinal(day).isoformat()
