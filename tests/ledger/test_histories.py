"""The sum by which a plan knows the events it was made on."""

from contextlib import suppress
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.sums import History, Sums, less
from ledger import Ledger, histories, open_ledger
from ledger.database import reading, writing
from tests.generators import random_history
from tests.ledger.replays import Event, feed

EVENTS = st.lists(st.tuples(st.text("ab", min_size=1), st.text("ab", min_size=1), st.binary(min_size=1, max_size=2)), max_size=8)


def summed(events: list[Event], batch: int) -> dict[str, History]:
    """The tenants' histories in a ledger that took the events in so."""
    with open_ledger("sqlite://") as ledger:
        feed(ledger, events, batch)
        assert ledger.verify() == []
        with reading(ledger.engine) as connection:
            return histories.of(connection)


def test_order_duplicates_and_batches_make_no_difference() -> None:
    """Given one set of events of two tenants, however it comes in, then the sums are the same, and another set has others."""
    events = [event for seed in (1, 2) for event in random_history(seed)]
    events = [{**event, "tenant": f"t{n % 2}", "id": f"{event['id']}-{n}"} for n, event in enumerate(events)]
    shuffled = [*events, *events[::3]]
    Random(5).shuffle(shuffled)
    found = summed(events, 1000)
    assert found == summed(shuffled, 40)
    assert {tenant: one.events for tenant, one in found.items()} == {"t0": (len(events) + 1) // 2, "t1": len(events) // 2}
    assert {tenant: one.sum for tenant, one in summed(events[:-1], 1000).items()} != {tenant: one.sum for tenant, one in found.items()}


@settings(deadline=None, derandomize=True, max_examples=100)
@given(EVENTS, EVENTS)
def test_sums_add_up_and_take_away(some: list[tuple[str, str, bytes]], more: list[tuple[str, str, bytes]]) -> None:
    """Given two lots of events, then both together less the second are the first, in any order."""
    both, first, second, backwards = Sums(), Sums(), Sums(), Sums()
    for event in some:
        first.add("acme", *event)
        both.add("acme", *event)
    for event in more:
        second.add("acme", *event)
        both.add("acme", *event)
    for event in (*reversed(more), *reversed(some)):
        backwards.add("acme", *event)
    one, two, all_of = (dict(sums.histories()).get("acme", History()) for sums in (first, second, both))
    assert less(all_of, two) == one
    assert dict(both.histories()) == dict(backwards.histories())


def test_an_event_is_told_by_source_id_and_content_apart() -> None:
    """Given the same letters shared out otherwise between source, id and content, then the sums differ."""
    found = set()
    for source, identifier, digest in (("a", "bc", b"d"), ("ab", "c", b"d"), ("a", "b", b"cd"), ("a", "bc", b"e")):
        sums = Sums()
        sums.add("acme", source, identifier, digest)
        found.add(dict(sums.histories())["acme"].sum)
    assert len(found) == 4


def test_a_batch_that_is_not_committed_leaves_the_sum_as_it_was() -> None:
    with open_ledger("sqlite://") as ledger:
        feed(ledger, random_history(3))
        with reading(ledger.engine) as connection:
            before = histories.of(connection)
        with suppress(InterruptedError):
            _spoiled(ledger, before)
        with reading(ledger.engine) as connection:
            assert histories.of(connection) == before


def _spoiled(ledger: Ledger, before: dict[str, History]) -> None:
    """Raise the sums in a transaction that is then interrupted."""
    with writing(ledger.engine) as connection:
        sums = Sums()
        sums.add("acme", "s", "i", b"d")
        histories.raise_by(connection, sums)
        assert histories.of(connection) != before
        raise InterruptedError
