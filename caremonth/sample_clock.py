"""Instants of the sample stream as text: seconds since 1970 in, RFC 3339 out, fast enough for millions."""

from __future__ import annotations

from bisect import bisect
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

DAY = 86_400
_EPOCH = date(1970, 1, 1)
_MINUTES = tuple(f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440))
_SECONDS = tuple(f":{second:02d}" for second in range(60))


class _DayNames(dict[int, str]):
    """ISO dates by days since 1970, made when first asked for; a run touches a few hundred."""

    def __missing__(self, day: int) -> str:
        name = self[day] = (_EPOCH + timedelta(day)).isoformat()
        return name


_NAMES = _DayNames()


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def day_name(day: int) -> str:
    """The ISO date of a day counted since 1970."""
    return _NAMES[day]


def weekday(day: int) -> int:
    """0 is Monday (the first day of 1970 was a Thursday)."""
    return (day + 3) % 7


def _wall(seconds: int) -> str:
    day, second = divmod(seconds, DAY)
    minute, second = divmod(second, 60)
    return f"{_NAMES[day]}T{_MINUTES[minute]}{_SECONDS[second]}"


def utc(instant: int) -> str:
    """The instant in UTC, spelt with Z."""
    return _wall(instant) + "Z"


class Zone:
    """A time zone between two days (counted since 1970), its offsets looked up once."""

    __slots__ = ("_offsets", "_suffixes", "changes", "name")

    def __init__(self, name: str, first: int, last: int) -> None:
        self.name = name
        self.changes, self._offsets = _changes(ZoneInfo(name), first, last)
        self._suffixes = [_suffix(offset) for offset in self._offsets]

    def text(self, instant: int) -> str:
        """The instant on this zone's wall clock, spelt with its offset."""
        period = bisect(self.changes, instant)
        return _wall(instant + self._offsets[period]) + self._suffixes[period]

    def at(self, day: int, second: int) -> int:
        """The instant at which the wall clock shows `second` of a day; exact outside the hour a clock change skips or repeats."""
        wall = day * DAY + second
        guess = wall - self._offset(wall)
        return wall - self._offset(guess)

    def change_on(self, day: int) -> int | None:
        """The instant the clocks change on a local day, if they do."""
        start, end = self.at(day, 0), self.at(day + 1, 0)
        return next((change for change in self.changes if start <= change < end), None)

    def _offset(self, instant: int) -> int:
        return self._offsets[bisect(self.changes, instant)]


def _suffix(offset: int) -> str:
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def _offset_at(zone: ZoneInfo, instant: int) -> int:
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _changes(zone: ZoneInfo, first: int, last: int) -> tuple[list[int], list[int]]:
    changes: list[int] = []
    offsets = [_offset_at(zone, first * DAY)]
    for day in range(first + 1, last + 1):
        offset = _offset_at(zone, day * DAY)
        if offset != offsets[-1]:
            changes.append(_change_between(zone, (day - 1) * DAY, day * DAY))
            offsets.append(offset)
    return changes, offsets


def _change_between(zone: ZoneInfo, before: int, after: int) -> int:
    old = _offset_at(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset_at(zone, middle) == old else (before, middle)
    return after
