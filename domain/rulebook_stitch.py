"""One rulebook of several: each rule set for the months in which it holds.

A patient-month looks at rules of other months too, of readings and windows that began earlier and of time over midnight; with one rulebook
for all months none of them is decided under two rule sets, and no second or set-up counts once under each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.rulebook import Rulebook

NEVER: Final = 0
FOR_EVER: Final = 1 << 40

Part = tuple[int, int, Rulebook]
"""First and last day (ordinals) on which a rule set holds."""


@dataclass(frozen=True, slots=True)
class Stitched(Rulebook):
    """Rule sets one after another; `parts` come in order and leave no day out."""

    parts: tuple[Part, ...] = field(default=(), hash=False, compare=False)

    def cents(self, code: str, day: int, pos: str | None) -> int | None:
        """The amount of one unit in US cents on `day`, by the rule set that holds then."""
        return next(book.cents(code, day, pos) for first, last, book in self.parts if first <= day <= last)


def stitch(parts: Sequence[Part], named: Rulebook) -> Rulebook:
    """The rulebook of these parts, under the name and with the texts of one of them."""
    if len(parts) == 1:
        return named
    turns = [(day, book) for first, last, book in parts for day in _turns(book, first, last)]
    texts = {code: text for _, _, book in parts for code, text in book.texts.items()}
    return Stitched(
        id=named.id, digest=named.digest, legal_status=named.legal_status, last_verified_year=named.last_verified_year,
        starts=tuple(day for day, _ in turns), days=tuple(book.at(day) for day, book in turns), prices={},
        facility_pos=named.facility_pos, texts=texts | dict(named.texts), document=named.document, parts=tuple(parts),
    )  # fmt: skip


def _turns(book: Rulebook, first: int, last: int) -> list[int]:
    """The days on which a part begins to say something else, its first included."""
    return [first, *(day for day in book.starts if first < day <= last)]
