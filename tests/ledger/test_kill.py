"""SIGKILL at any moment of an ingest: what was committed stays whole, and the same file again completes it."""

import json
import signal
from pathlib import Path
from random import Random
from time import sleep

from ledger import open_ledger
from tests.ledger.crowd import adjusted, crowd, fed, fed_again, figures, start, write

KILLS = 20
BATCH = 25


def test_twenty_kills_leave_nothing_half_done(store: str, tmp_path: Path) -> None:
    events = crowd(range(28), closes=True)
    file, url, dice = write(events, tmp_path / "events.jsonl"), store, Random(20)
    batches = 0
    for kill in range(KILLS):
        batches = _killed(url, file, dice, batches)
        if kill % 3 == 2:
            with open_ledger(url) as ledger:
                ledger.ingest([])
                assert ledger.verify() == []
    process = start(url, file, BATCH)
    told, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    accepted, duplicates, parked = json.loads(told.splitlines()[-1].removeprefix("done "))
    assert accepted > 0, "the kills came too late: all was in before the last of them"
    assert (accepted + duplicates, parked) == (len(events), 0)
    _equals_an_undisturbed_ledger(url, file)


def _killed(url: str, file: Path, dice: Random, batches: int) -> int:
    """Kill an ingest a random moment after a random batch that is new to it; returns the batches that are in."""
    process = start(url, file, BATCH)
    assert process.stdout is not None
    seen = 0
    for _ in range(batches + dice.randint(0, 2)):
        assert process.stdout.readline(), "the process ended by itself"
        seen += 1
    sleep(dice.random() * (0.04 if seen else 0.8))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return max(batches, seen)


def _equals_an_undisturbed_ledger(url: str, file: Path) -> None:
    """Each identity once, and the same lines and proposals as where nothing was killed; only when it was decided differs."""
    with open_ledger(url) as killed, open_ledger("sqlite://") as calm:
        fed(calm, file, BATCH)
        assert killed.verify() == []
        assert figures(killed) == figures(calm)
        assert adjusted(killed) == adjusted(calm)
        assert fed_again(killed, file).accepted == 0
