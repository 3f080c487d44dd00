"""Bars as SVG within a page: what is owed back to the left of zero, what is to gain to the right, open lines beneath."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, NamedTuple

from caremonth.cli_text import dollars
from domain.settlement import cents_of

Row = dict[str, Any]

SERIES: Final = (("owed_back", "back", "owed back"), ("to_gain", "gain", "to gain"), ("open", "open", "open"))
"""The sums that are drawn: their field, their class, their name."""
MOST: Final = 40
"""More groups than these are not drawn: the table has them all."""
_WIDTH, _NAMES, _TEXT, _BAR, _GAP = 760, 150, 130, 14, 10


class Scale(NamedTuple):
    """How US cents become places: zero's place, and cents a unit."""

    zero: float
    unit: float

    @classmethod
    def of(cls, values: Sequence[int]) -> Scale:
        """The scale on which all values find room with a text at their ends."""
        low, high = min(0, *values), max(0, *values)
        left, right = _TEXT if low else 0, _TEXT if high else 0
        unit = (_WIDTH - _NAMES - left - right - 1) / ((high - low) or 1)
        return cls(_NAMES + left - low * unit, unit)


def chart(name: str, title: str, labels: Sequence[str], rows: Sequence[Row]) -> str:
    """A chart of the rows' sums; `name` makes the ids within the page. Each bar has its amount beside it and a title."""
    drawn = [(label, _bars(row)) for label, row in zip(labels[:MOST], rows[:MOST], strict=True)]
    scale = Scale.of([cents for _, bars in drawn for _, _, cents in bars] or [0])
    parts: list[str] = []
    top = _GAP // 2
    for label, bars in drawn:
        parts += _group(label, bars, top, scale)
        top += max(1, len(bars)) * _BAR + _GAP
    more = f" The first {MOST} of {len(rows)} are drawn, the table has all." if len(rows) > MOST else ""
    return (
        f'<figure><svg role="img" viewBox="0 0 {_WIDTH} {top}" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">Amounts owed back, to gain and of open lines. The table beneath '
        f'has the same figures.</desc><line class="axis" x1="{scale.zero:.1f}" x2="{scale.zero:.1f}" y1="0" y2="{top}"/>'
        f"{''.join(parts)}</svg>"
        f"<figcaption>{escape(title)}.{more}</figcaption></figure>"
    )


def _bars(row: Row) -> list[tuple[str, str, int]]:
    """Class, name and cents of what is not zero."""
    found = ((kind, name, cents_of(row[field]) or 0) for field, kind, name in SERIES)
    return [bar for bar in found if bar[2]]


def _group(label: str, bars: Sequence[tuple[str, str, int]], top: int, scale: Scale) -> Iterator[str]:
    yield f'<text class="name" x="{_NAMES - 8}" y="{top + _BAR - 3}" text-anchor="end">{escape(_shortened(label))}</text>'
    for number, (kind, name, cents) in enumerate(bars):
        yield _bar(f"{label}: {name}", kind, cents, top + number * _BAR, scale)


def _bar(said: str, kind: str, cents: int, y: int, scale: Scale) -> str:
    length = max(abs(cents) * scale.unit, 1.0)
    left = scale.zero - length if cents < 0 else scale.zero
    x, anchor = (left - 4, "end") if cents < 0 else (left + length + 4, "start")
    text = dollars(f"{cents / 100:.2f}")
    return (
        f'<g><title>{escape(said)} {text}</title><rect class="{kind}" x="{left:.1f}" y="{y + 1}" width="{length:.1f}" height="{_BAR - 3}"/>'
        f'<text x="{x:.1f}" y="{y + _BAR - 3}" text-anchor="{anchor}">{text} {said.rpartition(": ")[2].removeprefix("owed ")}</text></g>'
    )


def _shortened(label: str) -> str:
    return label if len(label) <= 22 else f"{label[:21]}…"
