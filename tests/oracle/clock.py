"""Instants and local calendars. An instant is a count of whole seconds since 1970 UTC; every answer here is asked of one instant."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NEVER = -(10**12)
FOREVER = 10**12
QUARTER = 900


def instant(text: str) -> int:
    """The instant of an RFC 3339 text; a fraction of a second is cut off."""
    return int(datetime.fromisoformat(text.upper()).timestamp() // 1)


def local_date(zone: str, second: int) -> date:
    """The calendar date in a zone at an instant (offsets are whole minutes in the years of the contract)."""
    return _date_of_minute(zone, second // 60)


@lru_cache(maxsize=400_000)
def _date_of_minute(zone: str, minute: int) -> date:
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone)).date()


def month_of(day: date) -> str:
    """The month of a date as YYYY-MM."""
    return day.isoformat()[:7]


def first_day(month: str) -> date:
    """The first day of a month."""
    return date.fromisoformat(f"{month}-01")


def plus_months(day: date, months: int) -> date:
    """The date so many calendar months later (or earlier), clamped to the end of its month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


@lru_cache(maxsize=10_000)
def first_instant(zone: str, day: date) -> int:
    """The first instant at which a zone's calendar shows the day, looked for quarter of an hour by quarter of an hour."""
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    second = noon - 30 * 3600
    while local_date(zone, second) < day:
        second += QUARTER
    return second


def month_end(zone: str, month: str) -> int:
    """The first instant after a month in a zone."""
    return first_instant(zone, plus_months(first_day(month), 1))


def days_later(day: date, days: int) -> date:
    """The date so many days later."""
    return day + timedelta(days=days)
