"""What differs between two rule sets, value by value and day by day (pure: documents in, changes out).

Only what can mean something else is a change: not the order of words in a list, not the name of a file, not an end that the next version
says anyway. Who says so counts too, but apart from the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import pairwise
from typing import Any, Final, NamedTuple

from domain.rulebook_dated import EVIDENCE, FOREVER, iso
from domain.rulebook_reader import Path

CODES: Final = ("codes", "set_up")
"""The keys of a rule file beneath which codes stand."""
IN_FORCE: Final = "in_force"
_ANY_DAY: Final = 1
_NO_VALUE: Final = frozenset({"from", "to", "note", "code", *EVIDENCE})

Document = Mapping[str, Any]


class Entry(NamedTuple):
    """What a value is the value of. `family` is the program, None for what holds over families; `key` the way within the file."""

    family: str | None
    code: str | None
    key: tuple[str, ...]


class Side(NamedTuple):
    """What one rule set says: the value (None: nothing holds), the evidence with its note, and where it stands in the document."""

    value: object
    evidence: Mapping[str, Any]
    place: Path

    def same_value(self, other: Side) -> bool:
        """Whether the same holds, whoever says so."""
        return _comparable(self.value) == _comparable(other.value)

    def same(self, other: Side) -> bool:
        """Whether the same holds, and the same evidence stands behind it."""
        return self.same_value(other) and self.evidence == other.evidence


NOTHING: Final = Side(None, {}, ())
"""What a rule set says that says nothing."""


class Span(NamedTuple):
    """The days (ordinals, both inclusive) on which a side holds."""

    first: int
    last: int
    side: Side


class History(NamedTuple):
    """The spans of one value, oldest first, without overlap; `dated` is False for what has no dates, such as a label."""

    dated: bool
    spans: tuple[Span, ...]

    def at(self, day: int) -> Side:
        """What is said of a day."""
        return next((span.side for span in self.spans if span.first <= day <= span.last), NOTHING)


class Change(NamedTuple):
    """One value on days (ordinals, both inclusive) on which the two rule sets differ; a value without dates has all days."""

    entry: Entry
    dated: bool
    first: int
    last: int
    before: Side
    after: Side

    @property
    def citation_only(self) -> bool:
        """Whether the same holds as before and only who says so, or how surely, is another."""
        return self.entry.key[0] == "sources" or self.before.same_value(self.after)

    @property
    def first_day(self) -> str | None:
        """The first day as people write it; None for what has no dates."""
        return iso(self.first) if self.dated else None

    @property
    def last_day(self) -> str | None:
        """The last day as people write it; None where there is none."""
        return iso(self.last) if self.dated and self.last < FOREVER else None


def changes(before: Document, after: Document) -> list[Change]:
    """Every difference of two rule documents that can be followed, by family, code, value and day; what holds over families comes last."""
    return compared(histories(before), histories(after))


def compared(before: Mapping[Entry, History], after: Mapping[Entry, History]) -> list[Change]:
    """As `changes`, of histories at hand."""
    none = History(dated=True, spans=())
    found: list[Change] = []
    for entry in sorted(before.keys() | after.keys(), key=_order):
        found += _differing(entry, before.get(entry, none), after.get(entry, none))
    return found


def histories(document: Document) -> dict[Entry, History]:
    """Everything a rule document says, dated or not."""
    found: dict[Entry, History] = {}
    for stem, family in document["families"].items():
        found |= _walk(Entry(family["program"], None, ()), family, ("families", stem))
    families = {entry.code: entry.family for entry in found}
    for code, part in document["limits"].items():
        found |= _walk(Entry(families[code], code, ("limit",)), part, ("limits", code))
    for code, rows in _by_code(document["prices"]).items():
        found[Entry(families[code], code, ("price",))] = History(dated=True, spans=tuple(_spans(rows)))
    found |= _walk(Entry(None, None, ()), document["ruleset"], ("ruleset",))
    for key, source in document["sources"].items():
        found[Entry(None, None, ("sources", key))] = _undated(source, ("sources", key))
    return found


def value_of(version: Document) -> object:
    """What a dated version says holds: None for nothing, True where being there is all it says."""
    parts = {key: value for key, value in version.items() if key not in _NO_VALUE}
    if "absent" in parts:
        return None
    return parts.get("value", parts) if len(parts) == 1 else parts or True


def _walk(entry: Entry, part: object, place: Path) -> dict[Entry, History]:
    if isinstance(part, list) and all(isinstance(item, Mapping) and "from" in item for item in part):
        return {entry: History(dated=True, spans=tuple(_spans((item, (*place, n)) for n, item in enumerate(part))))}
    if not isinstance(part, Mapping):
        return {entry: _undated(part, place)}
    found: dict[Entry, History] = {}
    for key, inner in part.items():
        code = key if entry.key and entry.key[-1] in CODES else entry.code
        found |= _walk(Entry(entry.family, code, (*entry.key, key)), inner, (*place, key))
    return found


def _spans(versions: Iterable[tuple[Document, Path]]) -> Iterator[Span]:
    """The versions with the last day of each: the one written, or the day before the next."""
    listed = list(versions)
    following = [*(_ordinal(version["from"]) - 1 for version, _ in listed[1:]), FOREVER]
    for (version, place), end in zip(listed, following, strict=True):
        evidence = {key: version[key] for key in (*EVIDENCE, "note") if key in version}
        last = _ordinal(version["to"]) if "to" in version else end
        yield Span(_ordinal(version["from"]), last, Side(value_of(version), evidence, place))


def _undated(value: object, place: Path) -> History:
    return History(dated=False, spans=(Span(_ANY_DAY, FOREVER, Side(value, {}, place)),))


def _by_code(prices: Iterable[Document]) -> dict[str, list[tuple[Document, Path]]]:
    rows: dict[str, list[tuple[Document, Path]]] = {}
    for number, row in enumerate(prices):
        rows.setdefault(row["code"], []).append((row, ("prices", number)))
    return rows


def _differing(entry: Entry, before: History, after: History) -> list[Change]:
    spans = (*before.spans, *after.spans)
    edges = sorted({span.first for span in spans} | {span.last + 1 for span in spans})
    found: list[Change] = []
    for first, end in pairwise(edges):
        one, other = before.at(first), after.at(first)
        if one.same(other):
            continue
        last = found[-1] if found else None
        if last and last.last == first - 1 and last.before.same(one) and last.after.same(other):
            found[-1] = last._replace(last=end - 1)
        else:
            found.append(Change(entry, before.dated and after.dated, first, end - 1, one, other))
    return found


def _comparable(value: object) -> object:
    """The value with the words of lists in one order: a list in a rule file is a set."""
    if isinstance(value, Mapping):
        return {key: _comparable(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted(value)
    return value


def _order(entry: Entry) -> tuple[bool, str, str, tuple[str, ...]]:
    return entry.family is None, entry.family or "", entry.code or "", entry.key


def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()
