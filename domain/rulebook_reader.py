"""Reading a rule document: a place in it, and what is said when something else stands there.

The document is the canonical JSON form of a rule set: mappings with text keys, lists, text, whole numbers, booleans, null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple, NoReturn, TypeVar

T = TypeVar("T")

Path = tuple[str | int, ...]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_CENTS: Final = re.compile(r"\d{1,6}\.\d\d")
_LONGEST: Final = 80


class RuleError(ValueError):
    """A rule document that cannot be followed: where (`path`), what was `expected` there and what was `found`."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        self.path = path
        self.expected = expected
        self.found = found
        super().__init__(f"{spell(path)}: expected {expected}, found {found}")


def spell(path: Path) -> str:
    """A path as people write it: `tracks.staff.codes.99490.minutes[1].value`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "the rule set"


def describe(value: object) -> str:
    """What stands in a rule file, in a word or two."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            return "a mapping"
        case list():
            return "a list" if value else "an empty list"
        case int():
            return str(value)
        case _:
            text = str(value)
            return f"'{text}'" if len(text) <= _LONGEST else f"'{text[:_LONGEST]}…'"


class Place(NamedTuple):
    """A value of the document and the way to it. Each method reads one kind of value or raises RuleError."""

    value: object
    path: Path

    def fail(self, expected: str, found: str | None = None) -> NoReturn:
        """Raise what is wrong here; `found` defaults to the value itself."""
        raise RuleError(self.path, expected, describe(self.value) if found is None else found)

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Place]:
        """The parts of a mapping with these keys and no others."""
        parts = self.parts()
        needed, known = tuple(required), (*required, *optional)
        for key, part in parts.items():
            if key not in known:
                part.fail(f"one of the keys {', '.join(known)}", f"the unknown key '{key}'")
        for key in needed:
            if key not in parts:
                raise RuleError((*self.path, key), "a value", "nothing: the key is missing")
        return parts

    def parts(self) -> dict[str, Place]:
        """The parts of a mapping, whatever its keys."""
        if not isinstance(self.value, Mapping):
            self.fail("a mapping")
        return {key: Place(part, (*self.path, key)) for key, part in self.value.items()}

    def items(self) -> Iterator[Place]:
        """The items of a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        return (Place(item, (*self.path, index)) for index, item in enumerate(self.value))

    def text(self) -> str:
        """Text that is not blank."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail("text")
        return self.value

    def name(self) -> str:
        """A short name of letters, digits, `_`, `.` and `-`."""
        if not isinstance(self.value, str) or not _NAME.fullmatch(self.value):
            self.fail("a name of letters, digits, '_', '.' and '-' (in quotes, if it is a number)")
        return self.value

    def whole(self, least: int) -> int:
        """A whole number from `least` on."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < least:
            self.fail(f"a whole number from {least} on")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def one_of(self, known: Iterable[str], what: str) -> str:
        """One of a closed set of words."""
        if not isinstance(self.value, str) or self.value not in known:
            self.fail(f"{what}: one of {', '.join(sorted(known))}")
        return self.value

    def some_of(self, known: Iterable[str], what: str) -> frozenset[str]:
        """A list, possibly empty, of different words of a closed set."""
        words = [item.one_of(known, what) for item in self.items()]
        if len(set(words)) < len(words):
            self.fail("each word once", "one twice")
        return frozenset(words)

    def day(self) -> int:
        """An ISO date, as its ordinal."""
        if not isinstance(self.value, str) or not _DAY.fullmatch(self.value):
            self.fail("a date as YYYY-MM-DD")
        try:
            return date.fromisoformat(self.value).toordinal()
        except ValueError:
            self.fail("a date of the calendar")

    def cents(self) -> int:
        """An amount of money with two decimals, in cents."""
        if not isinstance(self.value, str) or not _CENTS.fullmatch(self.value):
            self.fail("an amount with two decimals")
        return int(self.value.replace(".", ""))

    def optional(self, read: Callable[[Place], T]) -> T | None:
        """What `read` makes of the value; None for null."""
        return None if self.value is None else read(self)


def nothing(path: Path) -> Place:
    """The place of a part that is left out: it reads as null."""
    return Place(None, path)
