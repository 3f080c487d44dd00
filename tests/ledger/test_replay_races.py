"""Rules put in force while others write: nothing is missed, and nothing stands under two sets."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event as Signal
from typing import Any

import pytest

from ledger import LedgerError, open_ledger
from ledger.extent import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.live import PATIENTS, addons, base, due, more, sets
from tests.ledger.other_rules import addon_of_20_minutes, book, rules_of
from tests.ledger.replays import applied, feed, planned, reverted
from tests.ledger.writers import writers
from tests.scenario_steps import Tenant

TWENTY = book(addon_of_20_minutes)
MARCH = Scope("acme", Span("2026-03", "2026-03"))


@pytest.mark.parametrize("back", [False, True], ids=["carried out", "carried out and taken back"])
def test_a_live_writer_beside_rules_that_come_and_go(database_url: str, back: bool) -> None:
    """Given someone who takes entries in one by one, when rules are put in force for March meanwhile, then each is decided by them."""
    with writers(database_url) as (mine, live), ThreadPoolExecutor(1) as pool:
        feed(mine, base())
        plan, begun, done, entries = planned(mine, TWENTY, MARCH), Signal(), Signal(), more()

        def write() -> None:
            for number, event in enumerate(entries):
                feed(live, [event])
                if number == len(entries) // 4:
                    begun.set()
                if number == len(entries) - 4:
                    assert done.wait(60)

        writing = pool.submit(write)
        assert begun.wait(60)
        row = applied(mine, plan, even_if_moved=True)
        if back:
            reverted(mine, plan)
        done.set()
        writing.result()
        mine.settle()
        assert due(mine) == 0
        assert mine.verify() == []
        other = rules_of(mine).name(row.digest)
        assert addons(mine) == ({"2026-03": {2}, "2026-04": {2}} if back else {"2026-03": {1}, "2026-04": {2}})
        march = "2026.11" if back else other
        assert sets(mine) == {
            (f"P{n}", month): {name} for n in range(PATIENTS) for month, name in (("2026-03", march), ("2026-04", "2026.11"))
        }


def test_two_that_put_the_same_plan_in_force_do_it_once(database_url: str) -> None:
    with writers(database_url) as (one, other), ThreadPoolExecutor(2) as pool:
        feed(one, base())
        plan = planned(one, TWENTY, MARCH)
        rows = [future.result() for future in [pool.submit(applied, ledger, plan) for ledger in (one, other)]]
        assert rows[0] == rows[1]
        assert len(rules_of(one).rows) == 2
        assert one.verify() == []


def test_a_close_and_rules_that_meet_come_to_the_same(database_url: str) -> None:
    """Given March closed at the moment in which its rules change, then closed units and adjustments come to what the rules say."""
    close: list[dict[str, Any]] = [{**one, "source": "/closes"} for one in Tenant("acme").tell(["close 2026-03 on 2026-04-02 12:00"])]
    with writers(database_url) as (one, other), ThreadPoolExecutor(2) as pool:
        feed(one, [*base(), *more()])
        plan = planned(one, TWENTY, MARCH)
        rules = pool.submit(applied, one, plan, even_if_moved=True)
        pool.submit(feed, other, close).result()
        rules.result()
        one.settle()
        assert addons(one) == {"2026-03": {1}, "2026-04": {2}}
        assert one.verify() == []


@pytest.mark.parametrize("even_if_moved", [True, False])
def test_a_close_that_comes_while_the_plan_is_made_again(database_url: str, even_if_moved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the history has moved, and the plan was not edited: it is carried out on someone's word, and refused for that reason without."""
    close: list[dict[str, Any]] = [{**one, "source": "/closes"} for one in Tenant("acme").tell(["close 2026-03 on 2026-04-02 12:00"])]
    with writers(database_url) as (one, other):
        feed(one, [*base(), *more()])
        plan = planned(one, TWENTY, MARCH)

        def made(*arguments: Any) -> bytes:
            feed(other, close)
            return make(*arguments)

        monkeypatch.setattr("ledger.applying.make", made)
        if not even_if_moved:
            with pytest.raises(LedgerError, match="history has moved"):
                applied(one, plan)
            return
        applied(one, plan, even_if_moved=True)
        assert addons(one) == {"2026-03": {1}, "2026-04": {2}}
        assert one.verify() == []


def test_a_plan_on_postgres_is_that_on_sqlite(database_url: str) -> None:
    """Given the same events in both, then the plan is the same to the byte, whatever the number of processes."""
    with open_ledger(database_url) as there, open_ledger("sqlite://") as here:
        for ledger in (there, here):
            feed(ledger, base())
            feed(ledger, [{**event, "tenant": f"t{n}"} for n in range(5) for event in base()])
        made = [planned(ledger, TWENTY, workers=workers).document for ledger, workers in ((there, 1), (there, 2), (here, 1))]
    assert made == [made[0]] * 3
    assert made[0]["evaluated"] == 6 * 2 * PATIENTS
