"""Local calendar days and months of instants, by the rules of IANA zones.

Days are date ordinals (`datetime.date.toordinal`), months `YYYY-MM`, instants epoch seconds (UTC).
"""

from __future__ import annotations

from datetime import UTC as UTC_CLOCK
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = 86_400
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class Zone:
    """A time zone with its answers remembered: most days have one offset, found once."""

    __slots__ = ("_bounds", "_offsets", "_tz", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._tz = ZoneInfo(name)
        self._offsets: dict[int, int | None] = {}
        self._bounds: dict[str, tuple[int, int]] = {}

    def day(self, instant: int) -> int:
        """The local date of a second."""
        utc_day = instant // DAY
        offset = self._offsets[utc_day] if utc_day in self._offsets else self._look_up(utc_day)
        if offset is None:
            offset = self._offset(instant)
        return (instant + offset) // DAY + EPOCH_DAY

    def days(self, instants: list[int]) -> list[int]:
        """The local dates of seconds."""
        offsets = self._offsets
        try:
            return [(instant + offsets[instant // DAY]) // DAY + EPOCH_DAY for instant in instants]  # type: ignore[operator]
        except (KeyError, TypeError):  # a day not looked up yet, or one on which the offset changes
            return [self.day(instant) for instant in instants]

    def day_start(self, day: int) -> int:
        """The first second of a local date; where midnight is skipped, the second after the gap."""
        return _day_start(self._tz, day)

    def month(self, instant: int) -> str:
        """The local month of a second."""
        return month_of(self.day(instant))

    def month_bounds(self, month: str) -> tuple[int, int]:
        """First second of a local month and first second after it."""
        bounds = self._bounds.get(month)
        if bounds is None:
            first, after = month_days(month)
            bounds = self._bounds[month] = (self.day_start(first), self.day_start(after))
        return bounds

    def _offset(self, instant: int) -> int:
        offset = datetime.fromtimestamp(instant, self._tz).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())

    def _look_up(self, utc_day: int) -> int | None:
        first, last = self._offset(utc_day * DAY), self._offset(utc_day * DAY + DAY - 1)
        self._offsets[utc_day] = first if first == last else None
        return self._offsets[utc_day]


@lru_cache(maxsize=32768)
def _day_start(tz: ZoneInfo, day: int) -> int:
    return int(datetime.combine(date.fromordinal(day), datetime.min.time(), tz).timestamp())


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The zone of an IANA name; raises `zoneinfo.ZoneInfoNotFoundError` for others (the edge refuses them)."""
    return Zone(name)


UTC: Final = zone("UTC")


@lru_cache(maxsize=8192)
def month_of(day: int) -> str:
    """The month a date is in."""
    return date.fromordinal(day).strftime("%Y-%m")


@lru_cache(maxsize=4096)
def month_days(month: str) -> tuple[int, int]:
    """First date of a month and first date after it."""
    first = date(int(month[:4]), int(month[5:]), 1)
    return first.toordinal(), (first + timedelta(days=32)).replace(day=1).toordinal()


@lru_cache(maxsize=8192)
def shift_month(month: str, by: int) -> str:
    """The month `by` months later."""
    index = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


@lru_cache(maxsize=4096)
def add_months(day: int, months: int) -> int:
    """The same day of the month `months` later, or that month's last day where it is shorter; at most the last date there is.

    Dates come in from outside in any year: one at the end of the calendar must not stop a ledger for good.
    """
    start = date.fromordinal(day)
    if start.year * 12 + start.month + months >= date.max.year * 12 + date.max.month:
        return date.max.toordinal()
    first, after = month_days(shift_month(f"{start.year:04d}-{start.month:02d}", months))
    return min(first + start.day - 1, after - 1)


@lru_cache(maxsize=8192)
def iso(day: int) -> str:
    """A date as `YYYY-MM-DD`."""
    return date.fromordinal(day).isoformat()


@lru_cache(maxsize=1024)
def utc_text(instant: int) -> str:
    """An instant as RFC 3339 in UTC."""
    return datetime.fromtimestamp(instant, UTC_CLOCK).isoformat()[:19] + "Z"
