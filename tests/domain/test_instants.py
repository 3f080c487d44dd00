"""Instants, dates and months as docs/contract.md §1 writes them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import instants
from domain.instants import FIRST_INSTANT, LAST_INSTANT, format_instant, month_end, parse_day, parse_instant, parse_month

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(FIRST_INSTANT, LAST_INSTANT), offsets, st.integers(0, 999_999))
def test_any_offset_and_fraction_names_the_same_second(second: int, offset: timezone, microsecond: int) -> None:
    moment = datetime.fromtimestamp(second, UTC).replace(microsecond=microsecond).astimezone(offset)
    assert parse_instant(moment.isoformat()) == second
    assert parse_instant(format_instant(second)) == second


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T15:00:00Z",
        "2026-03-02t15:00:00z",
        "2026-03-02T15:00:00-00:00",
        "2026-03-02T10:00:00-05:00",
        "2026-03-03T14:59:00+23:59",
        "2026-03-02T15:00:00.9999999999999999999Z",
        "2026-03-02T15:00:00.0+00:00",
    ],
)
def test_the_forms_of_rfc_3339(text: str) -> None:
    assert parse_instant(text) == 1772463600


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be an instant"),
        ("now", "must be an instant"),
        ("2026-03-02", "must be an instant"),
        ("2026-03-02 15:00:00Z", "must be an instant"),
        ("2026-03-02T15:00Z", "must be an instant"),
        ("20260302T150000Z", "must be an instant"),
        ("2026-3-2T15:00:00Z", "must be an instant"),
        ("2026-02-29T15:00:00Z", "must be an instant"),
        ("0000-01-01T00:00:00Z", "must be an instant"),
        ("2026-03-02T24:00:00Z", "must be an instant"),
        ("2026-03-02T15:60:00Z", "must be an instant"),
        ("2026-03-02T15:00:61Z", "must be an instant"),
        ("2026-03-02T15:00:00 Z", "must be an instant"),
        ("2026-03-02T15:00:00Z\n", "must be an instant"),
        (" 2026-03-02T15:00:00Z", "must be an instant"),
        ("2026-03-02T15:00:00.Z", "must be an instant"),
        ("2026-03-02T15:00:00,5Z", "must be an instant"),
        ("2026-03-02T15:00:00+0100", "must be an instant"),
        ("2026-03-02T15:00:00+24:00", "must be an instant"),
        ("2026-03-02T15:00:00+01:60", "must be an instant"),
        ("2026-03-02T15:00:00UTC", "must be an instant"),
        ("٢٠٢٦-03-02T15:00:00Z", "must be an instant"),
        ("2026-03-02T15:00:0٠Z", "must be an instant"),
        ("2026-03-02T15:00:00.٠Z", "must be an instant"),
        ("2026-03-02T15:00:00", "has no offset"),
        ("2026-03-02T15:00:00.5", "has no offset"),
        ("2016-12-31T23:59:60Z", "has a leap second"),
        ("1999-12-31T23:59:59Z", "lies outside"),
        ("2000-01-01T00:00:00+00:01", "lies outside"),
        ("2101-01-01T00:00:00Z", "lies outside"),
        ("2100-12-31T23:59:59-00:01", "lies outside"),
        ("0001-01-01T00:00:00+23:59", "lies outside"),
        ("9999-12-31T23:59:59-23:59", "lies outside"),
        (None, "must be an instant"),
        (1772463600, "must be an instant"),
        (True, "must be an instant"),
        ([], "must be an instant"),
        ({}, "must be an instant"),
    ],
)
def test_what_is_no_instant(text: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        parse_instant(text)


def test_more_hours_than_are_kept_at_hand_are_still_read() -> None:
    """Given a source with one event an hour for ten years, then hours forgotten meanwhile are read as at first, and few are kept."""
    years = range(FIRST_INSTANT, FIRST_INSTANT + 10 * 366 * 86_400, 3_600)
    texts = [format_instant(second) for second in years]
    assert [parse_instant(text) for text in [*texts, texts[0]]] == [*years, FIRST_INSTANT]
    assert 0 < len(instants._HOURS) <= instants._MOST_HOURS < len(texts)


def test_the_first_and_the_last_instant() -> None:
    assert parse_instant("1999-12-31T23:59:00-00:01") == parse_instant("2000-01-01T00:00:00Z") == FIRST_INSTANT
    assert parse_instant("2100-12-31T23:59:59.9Z") == LAST_INSTANT


@given(st.dates())
def test_a_date_is_its_ordinal(day: date) -> None:
    assert parse_day(day.isoformat()) == day.toordinal()


@pytest.mark.parametrize(
    "text", ["", "2026-02-29", "2026-W10-1", "20260302", "2026-03-02T00:00:00Z", "2026-03-02\n", "٢٠٢٦-03-02", 20260302, None]
)
def test_what_is_no_date(text: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a date"):
        parse_day(text)


@pytest.mark.parametrize("text", ["", "2026-00", "2026-13", "2026-3", "202603", "1999-12", "2101-01", "2026-03-01", "2026-03\n", "٢٠٢٦-03"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a month"):
        parse_month(text)


@pytest.mark.parametrize(
    ("month", "end"), [("2026-03", "2026-04-01"), ("2024-02", "2024-03-01"), ("2025-12", "2026-01-01"), ("2100-12", "2101-01-01")]
)
def test_a_month_ends_where_the_next_begins(month: str, end: str) -> None:
    assert parse_month(month) == month
    assert format_instant(month_end(month)) == f"{end}T00:00:00Z"
