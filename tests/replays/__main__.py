"""`python -m tests.replays --patient-months 50000 --oracle 500 --kills 20`: plans over much history; a JSON line for each part.

Exit 1 where anything is not as it must be.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, count, repeat
from pathlib import Path
from time import monotonic
from typing import Any

from tests.ledger.other_rules import FIVE
from tests.ledger.replays import STORIES
from tests.replays.beside_ledgers import History, compared
from tests.replays.beside_oracle import CHANGES, disagreements

PORTION = 10
MONTHS = 12
SUITE = Path(__file__).parents[1] / "ledger" / "test_replay_kill.py"


def main() -> int:
    """Do what is asked for and print what it came to."""
    words = argparse.ArgumentParser(prog="python -m tests.replays")
    words.add_argument("--patient-months", type=int, default=50_000)
    words.add_argument("--oracle", type=int, default=500)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--seed", type=int, default=1)
    asked = words.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="caremonth-replays-") as folder:
        for part in (_ledgers(Path(folder), asked.patient_months, asked.seed), _oracle(asked.oracle, asked.seed), _kills(asked.kills)):
            for row in part:
                print(json.dumps(row), flush=True)  # noqa: T201
                wrong += row["wrong"]
    return 1 if wrong else 0


def _ledgers(folder: Path, patient_months: int, seed: int) -> Iterator[dict[str, Any]]:
    """Each of the five changes over the sample's history, its months closed, beside a ledger under the other rules; on all cores."""
    if not patient_months:
        return
    history = History(folder, -(-patient_months // MONTHS), MONTHS, seed)
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_beside, FIVE, repeat(history))


def _beside(change: str, history: History) -> dict[str, Any]:
    return _timed({"part": "ledgers", "change": change}, partial(compared, history, FIVE[change]))


def _oracle(patient_months: int, seed: int) -> Iterator[dict[str, Any]]:
    """Each change that the oracle can be told, until so many patient-months were compared."""
    for change in CHANGES:
        yield _timed({"part": "oracle", "change": change}, partial(_until, change, patient_months // len(CHANGES), seed))


def _until(change: str, patient_months: int, seed: int) -> dict[str, Any]:
    compared_months = differing = 0
    wrong: list[str] = []
    for seeds in chain([STORIES], (range(first, first + PORTION) for first in count(1000 * seed, PORTION))):
        if compared_months >= patient_months:
            break
        months, lines, found = disagreements(change, seeds)
        compared_months, differing, wrong = compared_months + months, differing + lines, wrong + found
    sys.stderr.write("".join(f"{text}\n" for text in wrong))
    return {"patient_months": compared_months, "lines_differing": differing, "wrong": len(wrong)}


def _kills(kills: int) -> Iterator[dict[str, Any]]:
    """The suite's own tests of a plan and of its being carried out, with more kills, in a process of their own."""
    if kills:
        command, words = [sys.executable, "-m", "pytest", "-q", str(SUITE)], {**os.environ, "CAREMONTH_TEST_KILLS": str(kills)}
        run = partial(subprocess.run, command, env=words, stdout=sys.stderr, check=False)
        yield _timed({"part": "kills", "kills": kills}, lambda: {"wrong": int(run().returncode != 0)})


def _timed(row: dict[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    begun = monotonic()
    return {**row, **work(), "seconds": round(monotonic() - begun)}


if __name__ == "__main__":
    sys.exit(main())
