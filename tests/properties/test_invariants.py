"""The invariants of docs/invariants.md on random histories; `mutants.py` shows that they can fail."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import LedgerError
from tests.generators import Dice, Story, random_history, tenant_histories
from tests.properties import invariants
from tests.properties.figures import edited, pages, printed, unprinted
from tests.properties.pure import decided
from tests.properties.told import Event, Teller

ROOT = Path(__file__).parents[2]
SEEDS = st.integers(0, 2**32)
BATCHES = st.sampled_from([1, 2, 5, 17, 1000])
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
told = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=SLOW)
plain = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=SLOW)
drawn = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=SLOW)
SECRET = "Zq7-diagnosis-of-Mrs-Doe"


@pytest.fixture(scope="module")
def ask() -> Iterator[Teller]:
    with Teller() as teller:
        yield teller


@told
@given(seed=SEEDS, batch=BATCHES)
def test_1_an_identity_counts_once_and_none_is_lost(ask: Teller, seed: int, batch: int) -> None:
    assert invariants.kept_once(ask, random_history(seed), batch) == []


@told
@given(seed=SEEDS)
def test_2_order_duplicates_and_batches_change_nothing(ask: Teller, seed: int) -> None:
    assert invariants.order_free(ask, random_history(seed), seed) == []


@settings(told, max_examples=8)
@given(history=tenant_histories(), seed=SEEDS)
def test_2_order_duplicates_and_batches_change_nothing_drawn(ask: Teller, history: list[Event], seed: int) -> None:
    assert invariants.order_free(ask, history, seed) == []


def test_2_the_same_file_gives_the_same_decisions_and_ids() -> None:
    decisions = []
    for _ in range(2):
        with Teller() as teller:
            for seed in range(6):
                teller(random_history(seed, closes=True), 10)
            decisions.append(list(teller.ledger.events()))
    assert len(decisions[0]) > 100
    assert decisions[0] == decisions[1]
    assert len({event["id"] for event in decisions[0]}) == len(decisions[0])


@plain
@given(seed=SEEDS)
def test_3_and_4_every_second_is_told_and_counts_once(seed: int) -> None:
    history = random_history(seed)
    answer = decided(history)
    assert invariants.every_second_told(history, answer.trees) == []
    assert invariants.seconds_once(answer.spans) == []


@drawn
@given(history=tenant_histories())
def test_3_and_4_every_second_is_told_and_counts_once_drawn(history: list[Event]) -> None:
    answer = decided(history)
    assert invariants.every_second_told(history, answer.trees) == []
    assert invariants.seconds_once(answer.spans) == []


@told
@given(seed=SEEDS, batch=BATCHES)
def test_3_the_ledger_tells_every_second(ask: Teller, seed: int, batch: int) -> None:
    history = random_history(seed, closes=True)
    assert invariants.every_second_told(history, ask(history, batch).trees) == []


@told
@given(seed=SEEDS, batch=BATCHES)
def test_5_and_7_addons_have_bases_and_the_outbox_replays(ask: Teller, seed: int, batch: int) -> None:
    answer = ask(random_history(seed, closes=True), batch)
    assert invariants.addons_have_bases(answer) == []
    assert invariants.replays(answer, seed) == []


@told
@given(seed=SEEDS, batch=BATCHES)
def test_6_a_close_is_final_and_adds_up(ask: Teller, seed: int, batch: int) -> None:
    assert invariants.closes_add_up(ask, random_history(seed, closes=True), batch) == []


@settings(told, max_examples=8)
@given(history=tenant_histories(closes=True), batch=BATCHES)
def test_6_a_close_is_final_and_adds_up_drawn(ask: Teller, history: list[Event], batch: int) -> None:
    assert invariants.closes_add_up(ask, history, batch) == []


@settings(told, max_examples=8)
@given(seed=SEEDS, batch=BATCHES)
def test_8_tenants_with_the_same_names_do_not_meet(ask: Teller, seed: int, batch: int) -> None:
    one, other = Story(Dice(seed), "acme").tell(closes=False), Story(Dice(seed + 1), "bolt").tell(closes=False)
    assert invariants.isolated(ask, one, other, seed, batch) == []


def test_9_refusals_and_logs_do_not_repeat_what_came_in(
    ask: Teller, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    dice = Random(9)
    spoiled = [(f"spoiled:{seed}", raw) for seed in range(60) for raw in _spoiled(dice, random_history(seed))]
    summary = ask.ledger.ingest(spoiled)
    assert summary.dead_letters > 150
    assert [letter["message"] for letter in ask.ledger.dead_letters() if SECRET in letter["message"]] == []
    with pytest.raises(LedgerError) as refusal:
        ask.ledger.explain("acme", SECRET, "2026-03")
    assert SECRET not in str(refusal.value)
    assert SECRET not in "".join(capsys.readouterr()) + caplog.text


def _spoiled(dice: Random, history: list[Event]) -> Iterator[bytes]:
    """Events that carry something nobody may read elsewhere: in a field, under a name that is none, in broken JSON."""
    for event in dice.choices(history, k=4):
        name = dice.choice(sorted(event["data"]))
        mine = {**event, "tenant": "spoiled", "id": f"{event['id']}-{dice.random()}"}
        value = dice.choice([SECRET, [SECRET], {"text": SECRET}])
        yield json.dumps({**mine, "data": {**event["data"], name: value}}).encode()
        yield json.dumps({**mine, "data": {**event["data"], "remark": value}}).encode()
        yield json.dumps({**mine, "data": {"reason": SECRET, **event["data"]}})[: dice.choice([-1, -2, -40])].encode()
        yield json.dumps({**mine, "time": SECRET}).encode()


def test_10_the_docs_quote_figures_that_the_bench_printed() -> None:
    figures = printed((ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))
    assert figures
    assert list(edited(figures)) == []
    quoted = {page.name: list(unprinted(page.read_text(encoding="utf-8"), figures)) for page in pages(ROOT)}
    assert {name: texts for name, texts in quoted.items() if texts} == {}


def test_10_a_figure_nobody_printed_is_found() -> None:
    figure = {"figure": "ingest", "unit": "events/s", "value": 8822.0, "runs": [8822.0], "target": {"at_least": 10_000}, "met": False}
    assert printed(f"text\n{json.dumps(figure)}\n") == [figure]
    assert list(unprinted("8,822 events/s, 8,800 events/s, 9,000 events/s of 10,000 events/s", [figure])) == []
    assert list(unprinted("12,000 events/s, 8,900 events/s, 8,822 MB", [figure])) == ["12,000 events/s", "8,900 events/s", "8,822 MB"]
    assert len(list(edited([{**figure, "value": 9000.0}, {**figure, "met": True}]))) == 2


def test_the_ledger_of_all_these_histories_verifies(ask: Teller) -> None:
    assert ask.ledger.verify() == []
