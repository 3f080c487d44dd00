"""How much history a plan is about: patient-months with time or readings on file, and the first and the last of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from ledger import schema

EMPTY: Final = 2
"""Bytes of a month's document without facts."""


class Span(NamedTuple):
    """Months from `first` to `last`; None stands for no limit."""

    first: str | None
    last: str | None

    def holds(self, month: str) -> bool:
        """Whether the month is one of them."""
        return (self.first is None or self.first <= month) and (self.last is None or month <= self.last)


class Extent(NamedTuple):
    """The patient-months of a span, and the first and the last month of any: None where there is none."""

    evaluated: int = 0
    first: str | None = None
    last: str | None = None

    def together(self, other: Extent) -> Extent:
        """That of both."""
        first = min((month for month in (self.first, other.first) if month), default=None)
        return Extent(self.evaluated + other.evaluated, first, max((self.last or "", other.last or "")) or None)


def extent(connection: Connection, span: Span, *where: ColumnElement[bool]) -> Extent:
    """The extent of the months' documents that are looked at."""
    t = schema.months.c
    month = func.substr(t.key, func.length(t.key) - 6)
    limits = [month >= span.first] if span.first else []
    limits += [month <= span.last] if span.last else []
    asked = func.count().filter(*limits) if limits else func.count()
    found = connection.execute(select(asked, func.min(month), func.max(month)).where(func.length(t.facts) > EMPTY, *where)).one()
    return Extent(*found)
