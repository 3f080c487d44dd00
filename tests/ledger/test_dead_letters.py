"""Dead letters that are retried: what is accepted leaves them and is accounted for, what is refused again stays as it was."""

import json

import pytest

from ledger import open_ledger
from ledger.arrivals import Parked
from tests.http.care import entry

EVENT = json.dumps(entry("e-1", "P-1", "2026-03-02T10:00:00Z", "2026-03-02T10:20:00Z")).encode()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite://" if request.param == "sqlite" else str(request.getfixturevalue("database_url"))


def test_what_is_refused_again_keeps_its_number(url: str) -> None:
    """Given letters of which one is accepted now, then the others are not told anew to whoever has read as far as their numbers."""
    with open_ledger(url) as ledger:
        ledger.take(ledger.read([("f:1", b"no event"), ("f:2", b"{}")]))
        ledger.take([Parked("wrong_key", "the key is another's", "kafka:t/0/5", EVENT, "acme")])
        before = ledger.letters(0, 10)
        assert ledger.retry_dead_letters() == (1, 0, 2)
        assert ledger.letters(0, 10) == before[:2]
        assert ledger.retry_dead_letters() == (0, 0, 2)
        assert ledger.letters(before[-1][0], 10) == []


def test_what_was_parked_for_its_message_is_accounted_for_when_its_event_is_accepted(url: str) -> None:
    """Given a record of a wrong key that was parked, and accepted when it was retried, then reading it again finds nothing lost."""
    letter = Parked("wrong_key", "the key is another's", "kafka:t/0/5", EVENT, "acme")
    other = letter._replace(origin="kafka:t/0/6", raw=EVENT.replace(b"e-1", b"e-2"))
    nothing = letter._replace(origin="kafka:t/0/7", raw=b"no event")
    with open_ledger(url) as ledger:
        ledger.require_rules()
        ledger.take([letter])
        assert ledger.unaccounted([letter, other, nothing]) == [other.origin, nothing.origin]
        ledger.retry_dead_letters()
        assert ledger.unaccounted([letter, other, nothing]) == [other.origin, nothing.origin]
