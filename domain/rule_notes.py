"""Changes to history that say nothing of why: a value of closed months may change, but not without a note (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from domain.calendar import month_days
from domain.rule_changes import IN_FORCE, Change, Document, Entry, History, Side, compared, histories
from domain.rulebook_reader import Path, RuleError

_DECIDING: Final = frozenset({"adds_to", "kind", "default_track"})
"""What has no dates of its own and decides all the same."""
_IN_WORDS: Final = frozenset({"minutes", "days", "at_most"})
"""Values of a code that its `rule` says in words."""
_NEVER: Final = History(dated=True, spans=())
_OVER_FAMILIES: Final = (None, None, ())
_TOLD: Final = 3

Scope = tuple[str | None, str | None, tuple[str, ...]]


class _Month(NamedTuple):
    """A calendar month (`name`: YYYY-MM) with its first and last day (ordinals)."""

    name: str
    first: int
    last: int


class _Rules:
    """One rule set: its values, the days on which each code is in force, and the parts that come and go as one."""

    def __init__(self, document: Document) -> None:
        self.values = histories(document)
        self.in_force = {entry.code: days for entry, days in self.values.items() if entry.key[-1] == IN_FORCE}
        self.scopes = {_scope(entry) for entry in self.values} | {_OVER_FAMILIES}

    def stand_in(self, change: Change) -> History:
        """Where the note is looked for if the value has no version of its own: the days of its code, the roles of a default track."""
        if change.entry.code:
            return self.in_force.get(change.entry.code, _NEVER)
        roles = Entry(change.entry.family, None, ("tracks", str(change.after.value), "roles"))
        return self.values.get(roles, _NEVER) if change.entry.key == ("default_track",) else _NEVER


def unexplained(before: Document, after: Document, closed: Iterable[str]) -> list[RuleError]:
    """Where `after` has another value than `before` on a day of a closed month (YYYY-MM), and no note of its own that says why.

    The note stands on the version that holds now. For a value that is gone without one, and for what has no dates, it stands on the
    `in_force` of the code; a new code needs it there only. The path of each error is one of `after`.
    """
    old, new = _Rules(before), _Rules(after)
    months = [_month(name) for name in sorted(closed)]
    return [error for change in compared(old.values, new.values) for error in _objections(change, old, new, months)]


def unspoken(before: Document, after: Document) -> list[RuleError]:
    """Where `after` has another value of a code that is in both, and the words that explain the code to people are the same as before."""
    old, new = _Rules(before), _Rules(after)
    found: dict[Path, RuleError] = {}
    for change in compared(old.values, new.values):
        code, what = change.entry.code, change.entry.key[-1]
        words = Entry(change.entry.family, code, (*change.entry.key[:-1], "rule"))
        if what in _IN_WORDS and not change.citation_only and words in old.values and words in new.values:
            before_in_words, in_words = old.values[words].at(change.first), new.values[words].at(change.first)
            if before_in_words.same_value(in_words):
                found.setdefault(in_words.place, RuleError(in_words.place, f"words for the new '{what}' of {code}", "those of the old one"))
    return list(found.values())


def _month(name: str) -> _Month:
    first, following = month_days(name)
    return _Month(name, first, following - 1)


def _objections(change: Change, old: _Rules, new: _Rules, closed: Sequence[_Month]) -> Iterator[RuleError]:
    if not _weighs(change, old, new):
        return
    touched = [month for month in closed if _touches(change, month, old, new)]
    if touched and not _explained(change, old, new, touched):
        yield RuleError(_place(change, new), f"a note that says why, because {_spelled(touched)}", _found(change))


def _weighs(change: Change, old: _Rules, new: _Rules) -> bool:
    """Whether it may decide something, and is not told by the code it comes or goes with."""
    if change.citation_only or not (change.dated or change.entry.key[-1] in _DECIDING) or change.entry.key[0] == "notes":
        return False
    scope = _scope(change.entry)
    return change.entry.key[-1] == IN_FORCE or (scope in old.scopes and scope in new.scopes)


def _scope(entry: Entry) -> Scope:
    parts = {"tracks": 2, "track": 1, "devices": 1}.get(entry.key[0], 0)
    return entry.family, entry.code, () if entry.code or not entry.family else entry.key[:parts]


def _touches(change: Change, month: _Month, old: _Rules, new: _Rules) -> bool:
    """Whether days of the month are concerned: days of the change on which the code, if it is one's, is in force in either rule set."""
    first, last = max(change.first, month.first), min(change.last, month.last)
    if change.entry.code is None or change.entry.key[-1] == IN_FORCE:
        return first <= last
    spans = (span for rules in (old, new) for span in rules.in_force.get(change.entry.code, _NEVER).spans if span.side.value)
    return any(max(first, span.first) <= min(last, span.last) for span in spans)


def _explained(change: Change, old: _Rules, new: _Rules, touched: Sequence[_Month]) -> bool:
    if change.dated and change.after.place:
        return _new_note(change.before, change.after)
    before, after = old.stand_in(change), new.stand_in(change)
    days = [(max(change.first, month.first), min(change.last, month.last)) for month in touched]
    return all(any(_new_note(before.at(day), after.at(day)) for day in ends) for ends in days)


def _new_note(before: Side, after: Side) -> bool:
    note = after.evidence.get("note")
    return note is not None and note != before.evidence.get("note")


def _place(change: Change, new: _Rules) -> Path:
    """Where the note is missed: at the version that holds now, else at what stands in for it, else where the value was."""
    if change.dated and change.after.place:
        return change.after.place
    spans = new.stand_in(change).spans
    return spans[0].side.place if spans else change.before.place[:-1]


def _found(change: Change) -> str:
    what = change.entry.key[-1]
    if not change.after.place:
        return f"'{what}' gone without one (where nothing holds any more, `absent: true` says so, and can bear it)"
    how = "another value of" if change.before.place else "a new"
    return f"{how} '{what}' " + ("with the note of the old one" if change.dated and "note" in change.after.evidence else "without one")


def _spelled(months: Sequence[_Month]) -> str:
    names = [month.name for month in months]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"{', '.join(names[:_TOLD])}{more} {'are' if len(names) > 1 else 'is'} closed in the ledger"
