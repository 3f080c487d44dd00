"""What a billing topic comes to for whoever reads nothing else: any order over partitions, any number of times."""

from random import Random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import open_ledger
from streams.lines_replay import LinesReplay
from tests.generators import random_history
from tests.ledger.feed import ingest


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_messages_in_any_order_and_number_tell_the_lines(seed: int, dice: Random) -> None:
    """Given a history with closes, when its messages come shuffled and repeated, then they tell the lines as they are stored."""
    with open_ledger("sqlite://") as ledger:
        ingest(ledger, [orjson.dumps(event) for event in random_history(seed, closes=True)], 20)
        messages = [orjson.loads(raw) for _, raw in ledger.outbox(0, 1_000_000)]
        told = [*messages, *dice.sample(messages, len(messages) // 2)]
        dice.shuffle(told)
        replay = LinesReplay()
        for message in told:
            replay.take(message)
        lines = ledger.lines()
        assert list(replay.differences(lines)) == []
        billed = [line for line in lines if line["status"] in {"ready", "closed"}]
        assert len(list(replay.differences([]))) == len(billed)
        if billed:
            changed = {**billed[0], "units": billed[0]["units"] + 1}
            assert list(replay.differences([changed, *billed[1:]])) == [
                f"line {changed['line_id']}: the topic tells it otherwise than it is stored"
            ]
