"""Tables for a terminal: ids, dates, amounts and codes stay whole, only texts are wrapped, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Final

RIGHT: Final = frozenset(
    {"units", "amount", "time", "missing", "work days left", "untouched", "seq", "units ±", "amount ±", "lines", "owed back", "to gain",
     "open"},
)  # fmt: skip
TEXTS: Final = frozenset(
    {"note", "message", "what", "why", "because of", "problem", "origin", "states", "held for", "payable units", "was", "is",
     "cited before", "cited now"},
)  # fmt: skip
_GAP: Final = "  "
_ID: Final = 24
"""What is longer than this may be folded, too: otherwise one long id takes the whole line."""
_TEXT: Final = 20
"""The least room for a text that is longer."""

Texts = Sequence[str]


def terminal_table(headings: Texts, cells: Sequence[Texts], width: int) -> Iterator[tuple[str, str]]:
    """The lines of a table of at most `width` columns with their styles.

    Where it does not fit it loses empty columns, those of one value are told above it, and what still finds no room
    stands beneath its row.
    """
    kept, constant = fitted(headings, cells, width)
    for line in wrap(" · ".join(f"{headings[n]} {cells[0][n]}" for n in constant), width, break_on_hyphens=False):
        yield line, "dim"
    shown, room = _columns(headings, cells, kept, width)
    if not shown:
        return
    for line in _row([headings[n] for n in shown], room, [False] * len(shown), low=True):
        yield line, "bold"
    for row in cells:
        for line in _row([row[n] for n in shown], room, [headings[n] in RIGHT for n in shown]):
            yield line, ""
        beneath = " · ".join(f"{headings[n]} {row[n]}" for n in kept[len(shown) :] if row[n] not in ("", "-"))
        for line in wrap(beneath, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False):
            yield line, "dim"


def fitted(headings: Texts, cells: Sequence[Texts], width: int) -> tuple[list[int], list[int]]:
    """Numbers of the columns to show and of those to tell once because they hold one value, for a table of at most `width`."""
    shown = list(range(len(headings)))
    if _taken(_natural(headings, cells, shown)) <= width:
        return shown, []
    shown = [n for n in shown if any(row[n] not in ("", "-") for row in cells)]
    if _taken(_natural(headings, cells, shown)) <= width:
        return shown, []
    constant = [n for n in shown if len({row[n] for row in cells}) == 1]
    return [n for n in shown if n not in constant], constant


def _columns(headings: Texts, cells: Sequence[Texts], kept: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """The leading columns that find room, with their widths: the least ones, then the texts grow, then the others."""
    natural = _natural(headings, cells, kept)
    room: list[int] = []
    for n, wanted in zip(kept, natural, strict=True):
        least = _least(headings[n], [row[n] for row in cells], wanted)
        if room and _taken([*room, least]) > width:
            break
        room.append(least)
    shown = list(kept[: len(room)])
    for place in sorted(range(len(room)), key=lambda place: headings[shown[place]] not in TEXTS):
        room[place] += max(0, min(natural[place] - room[place], width - _taken(room)))
    return shown, room


def _least(heading: str, column: Texts, wanted: int) -> int:
    """The width below which a column would break what must stay whole."""
    word = max(map(len, heading.split()), default=1)
    longest = max(map(len, column))
    return min(wanted, max(word, min(longest, _TEXT if heading in TEXTS else _ID)))


def _row(row: Texts, room: Sequence[int], right: Sequence[bool], *, low: bool = False) -> Iterator[str]:
    """The lines of one row; `low` sets its cells upon the last line, as headings are."""
    parts = [[text] if len(text) <= width else wrap(text, width, break_on_hyphens=False) for text, width in zip(row, room, strict=True)]
    height = max(map(len, parts))
    columns = [[""] * (height - len(part)) + part if low else part for part in parts]
    for line in zip_longest(*columns, fillvalue=""):
        aligned = (text.rjust(width) if ends else text.ljust(width) for text, width, ends in zip(line, room, right, strict=True))
        yield _GAP.join(aligned).rstrip()


def _natural(headings: Texts, cells: Sequence[Texts], shown: Sequence[int]) -> list[int]:
    return [max(len(headings[n]), *(len(row[n]) for row in cells)) for n in shown]


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * max(0, len(widths) - 1)
