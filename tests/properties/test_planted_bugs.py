"""Each planted bug is noticed by the check that is named for it, and a sound ledger by none."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.properties.checks import CHECKS
from tests.properties.mutants import MUTANTS, Mutant, caught, changed
from tests.properties.told import Teller

PRELOADED = ["alembic.command", "hypothesis.strategies", "jiter", "orjson", "pydantic", "sqlalchemy", "sqlalchemy.dialects.sqlite", "yaml"]


@pytest.fixture(scope="module")
def noticed() -> Iterator[dict[str, Future[list[str]]]]:
    """What is found of each mutant, each asked in a fresh process; a server that has the libraries at hand forks them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        yield {mutant.name: pool.submit(caught, mutant.name) for mutant in MUTANTS}


@pytest.fixture(scope="module")
def ask() -> Iterator[Teller]:
    with Teller() as teller:
        yield teller


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_planted_bug_is_noticed(mutant: Mutant, noticed: dict[str, Future[list[str]]]) -> None:
    assert noticed[mutant.name].result(timeout=120), f"{mutant.check} does not notice that {mutant.name}"


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_ledger_passes(name: str, ask: Teller) -> None:
    assert CHECKS[name](ask) == []


def test_every_check_notices_a_bug() -> None:
    assert {mutant.check for mutant in MUTANTS} == CHECKS.keys()


def test_a_bug_that_no_longer_fits_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="plant it anew"):
        changed("nothing of it", MUTANTS[0])
