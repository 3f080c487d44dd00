"""Where facts are put, and that nothing of an event is lost on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from domain.events import validate
from domain.identifiers import known_zones
from domain.records import months_of, place
from domain.registry import Registration
from domain.settlement import money
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.trusted import reread
from tests.domain.event_examples import EXAMPLES, TIME

NOT_DECIDED_BY = {"activity", "reason", "by", "form", "obtained_by", "name", "npi", "at of a condition"}


def envelope(kind: str) -> dict[str, Any]:
    subject = "acme" if kind == "care.month.closed.v1" else "P-1"
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/ehr",
        "type": kind,
        "tenant": "acme",
        "subject": subject,
        "time": TIME,
        "data": EXAMPLES[kind],
    }


DAY = 86_400


def test_the_local_month_of_any_second_in_any_zone_is_among_the_months_of_its_entry() -> None:
    borders = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 7, 11)]
    seconds = [int(border.timestamp()) + shift * 3600 for border in borders for shift in range(-15, 16)]
    for name in sorted(known_zones()):
        zone = ZoneInfo(name)
        for second in seconds:
            assert datetime.fromtimestamp(second, zone).strftime("%Y-%m") in months_of(second, second + 1), name


def test_a_long_entry_is_in_every_month_it_may_touch() -> None:
    start = int(datetime(2026, 3, 31, 20, tzinfo=UTC).timestamp())
    assert months_of(start, start + 12 * 3600) == ("2026-03", "2026-04")
    middle = int(datetime(2026, 3, 15, 20, tzinfo=UTC).timestamp())
    assert months_of(middle, middle + 12 * 3600) == ("2026-03",)


def values(data: Any) -> Iterator[tuple[str, object]]:
    for name, value in dict(data).items():
        if value is not None and name not in NOT_DECIDED_BY:
            yield name, value


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_what_decides_of_an_event_is_in_its_fact(kind: str) -> None:
    event = validate(envelope(kind), DEFAULT_VOCABULARY)
    placed = place(event)
    if placed is None:
        return
    fact = {str(value) for value in placed.fact} | {"direct" if "direct" in getattr(placed.fact, "_fields", ()) else ""}
    for name, value in values(event.data):
        known = str(value).replace(".", "") if name == "icd10" else str(value)
        assert known in fact or (kind == "care.condition.recorded.v1" and name == "at"), name


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_a_stored_event_read_again_states_the_same_fact(kind: str) -> None:
    raw = orjson.dumps(envelope(kind))
    event, again = validate(envelope(kind), DEFAULT_VOCABULARY), reread(raw, DEFAULT_VOCABULARY.tracks)
    assert again[:7] == event[:7]
    assert place(again) == place(event)
    if kind.endswith("registered.v1"):
        assert Registration.of(again) == Registration.of(event)


def test_months_of_spans_are_the_same_however_many_were_asked_for() -> None:
    """Those asked for lately are kept, so many and no more, and those of years not at all."""
    start = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
    for number in range(17_000):
        months_of(start + number * DAY, start + number * DAY + 60)
    assert months_of(start, start + 60) == ("2026-03",)
    assert months_of(start, start + 2_000 * DAY)[::65] == ("2026-03", "2031-08")


def test_amounts_are_written_alike_however_many_were_written() -> None:
    amounts = range(-100, 17_000)
    assert [money(cents) for cents in amounts] == [str(Decimal(cents).scaleb(-2)) for cents in amounts]
