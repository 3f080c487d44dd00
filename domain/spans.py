"""Half-open intervals of seconds `[start, end)`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

Span = tuple[int, int]
BEFORE: Final = -(1 << 62)
AFTER: Final = 1 << 62


def clip(spans: Iterable[Span], low: int, high: int) -> list[Span]:
    """The parts of the spans inside `[low, high)`."""
    return [(max(start, low), min(end, high)) for start, end in spans if start < high and end > low and start < end]


def carve(pieces: Sequence[Span], blocks: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """Pieces split into what no block covers and what one does."""
    kept: list[Span] = list(pieces)
    removed: list[Span] = []
    for block in blocks:
        rest: list[Span] = []
        for piece in kept:
            _cut(piece, block, rest, removed)
        kept = rest
    return kept, removed


def _cut(piece: Span, block: Span, rest: list[Span], removed: list[Span]) -> None:
    start, end = max(piece[0], block[0]), min(piece[1], block[1])
    if start >= end:
        rest.append(piece)
        return
    removed.append((start, end))
    if piece[0] < start:
        rest.append((piece[0], start))
    if end < piece[1]:
        rest.append((end, piece[1]))


def split(start: int, end: int, cuts: Iterable[int]) -> list[Span]:
    """`[start, end)` cut at the instants that lie inside it."""
    points = [start, *sorted({cut for cut in cuts if start < cut < end}), end]
    return list(pairwise(points))
