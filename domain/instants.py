"""Instants, dates and months as they are written in events (docs/contract.md §1).

An instant is a count of whole UTC seconds since 1970, a date the ordinal of `datetime.date.toordinal`,
a month the text `YYYY-MM`. Every refusal is a ValueError whose text says what to write instead and never
repeats what was written.
"""

import re
from datetime import UTC, date, datetime
from typing import Final

from domain.identifiers import MONTH

FIRST_INSTANT: Final = 946_684_800
"""2000-01-01T00:00:00Z, the earliest instant an event may name."""
LAST_INSTANT: Final = 4_133_980_799
"""2100-12-31T23:59:59Z, the latest."""

_UNIX_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_SECONDS: Final = 86_400
_HOUR: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3])", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH: Final = re.compile(MONTH, re.ASCII)
_FRACTION: Final = re.compile(r"\.\d+", re.ASCII)

_CLOCK: Final = {f":{minute:02}:{second:02}": minute * 60 + second for minute in range(60) for second in range(60)}
"""Seconds since the full hour of `:MM:SS`."""
_OFFSETS: Final = {"Z": 0, "z": 0} | {
    f"{sign}{hour:02}:{minute:02}": int(f"{sign}1") * (hour * 3600 + minute * 60)
    for sign in "+-"
    for hour in range(24)
    for minute in range(60)
}

_INSTANT_FORM: Final = (
    "must be an instant in quotes such as 2026-03-02T10:00:00-05:00; give date, T, time with seconds, then Z or an offset"
)
_DATE_FORM: Final = "must be a date in quotes such as 2026-03-02; give a day that exists, without a time"
_MONTH_FORM: Final = "must be a month such as 2026-03; give a year from 2000 to 2100 and a month from 01 to 12"


def parse_instant(text: object) -> int:
    """Whole seconds since 1970 of an RFC 3339 instant, fractions cut off; ValueError when it is none or out of range.

    The tables and the hours asked for lately take the place of a parser: this runs three times an event.
    """
    if not isinstance(text, str):
        raise ValueError(_INSTANT_FORM)  # noqa: TRY004  the data is wrong and not the call
    try:
        second = _HOURS[text[:13]] + _CLOCK[text[13:19]] - _OFFSETS[text[19:]]
    except KeyError:
        second = _parse_rare(text)
    if FIRST_INSTANT <= second <= LAST_INSTANT:
        return second
    raise ValueError("lies outside the years 2000 to 2100 (UTC); correct the date")


def format_instant(second: int) -> str:
    """The instant in UTC, like 2026-03-02T15:00:00Z."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_day(text: object) -> int:
    """Ordinal of a plain date in any year; ValueError when it is none."""
    if not isinstance(text, str) or _DATE.fullmatch(text) is None:
        raise ValueError(_DATE_FORM)
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        raise ValueError(_DATE_FORM) from None


def parse_month(text: str) -> str:
    """The month itself, once it is known to be one; ValueError otherwise."""
    if _MONTH.fullmatch(text) is None:
        raise ValueError(_MONTH_FORM)
    return text


def month_end(month: str) -> int:
    """The first instant after a month in UTC."""
    year, number = int(month[:4]), int(month[5:])
    first_day_after = date(year + number // 12, number % 12 + 1, 1)
    return (first_day_after.toordinal() - _UNIX_EPOCH_DAY) * _DAY_SECONDS


_MOST_HOURS: Final = 32_768
_HOURS: Final[dict[str, int]] = {}
"""Seconds from 1970 to the full hour of `YYYY-MM-DDTHH`, of those asked for lately."""


def _hour(text: str) -> int:
    """Seconds from 1970 to a full hour, which is remembered."""
    if _HOUR.fullmatch(text) is None:
        raise ValueError(_INSTANT_FORM)
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError(_INSTANT_FORM) from None
    if len(_HOURS) >= _MOST_HOURS:
        _HOURS.clear()
    second = _HOURS[text] = (day.toordinal() - _UNIX_EPOCH_DAY) * _DAY_SECONDS + int(text[11:]) * 3600
    return second


def _parse_rare(text: str) -> int:
    """An instant of an hour not asked for lately or with fractions of a second, or the refusal that fits best."""
    if len(text) < 19:
        raise ValueError(_INSTANT_FORM)
    fraction = _FRACTION.match(text, 19)
    offset = text[fraction.end() if fraction else 19 :]
    hour = _hour(text[:13])
    if text[13:19].endswith(":60"):
        raise ValueError("has a leap second; write second 59 in its place")
    if text[13:19] in _CLOCK and not offset:
        raise ValueError("has no offset from UTC; add Z or one such as -05:00")
    try:
        return hour + _CLOCK[text[13:19]] - _OFFSETS[offset]
    except KeyError:
        raise ValueError(_INSTANT_FORM) from None
