"""Plans say what the oracle says, which shares nothing with them: for each change that it can be told."""

import pytest

from tests.ledger.replays import STORIES
from tests.replays.beside_oracle import CHANGES, disagreements


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_is_what_the_oracle_differs_by(change: str) -> None:
    """Given stories on some of which the change bears, then each line the oracle decides otherwise is in the plan, and no other."""
    _, differing, wrong = disagreements(change, STORIES)
    assert wrong == []
    assert differing > 0
