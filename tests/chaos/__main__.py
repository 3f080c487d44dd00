"""`python -m tests.chaos --rounds 100 --seed 1 --meetings 1000`: trouble on servers of their own, then meetings of two workers.

A JSON line for each, exit 1 at the first thing that is not accounted for.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.rounds import rounds
from tests.servers import Kafka, Postgres, running_kafka, running_postgres
from tests.streams.plant import Plant
from tests.streams.races import closes, overlaps, registrations


def main() -> int:
    """Run what is asked for and print what it came to."""
    words = argparse.ArgumentParser(prog="python -m tests.chaos")
    words.add_argument("--rounds", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--meetings", type=int, default=1000)
    asked = words.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="caremonth-chaos-") as name,
        running_kafka(own=True) as kafka,
        running_postgres(own=True) as postgres,
    ):
        folder = Path(name)
        try:
            trouble(kafka, postgres, folder, asked.rounds, asked.seed)
            meetings(kafka, postgres, folder, {overlaps: asked.meetings, registrations: asked.meetings // 5, closes: asked.meetings // 10})
        except AssertionError as difference:
            sys.stderr.write(f"{difference}\n")
            return 1
    return 0


def trouble(kafka: Kafka, postgres: Postgres, folder: Path, number: int, seed: int) -> None:
    """The rounds."""
    begun = time.monotonic()
    for one in rounds(kafka, postgres, "chaos.", folder, number, seed):
        say(one._asdict())
    seconds = time.monotonic() - begun
    say({"rounds": number, "seed": seed, "exact": True, "seconds": round(seconds), "seconds_a_round": round(seconds / max(number, 1), 1)})


def meetings(kafka: Kafka, postgres: Postgres, folder: Path, asked: dict[Callable[[Plant, int], None], int]) -> None:
    """What reaches two workers at the same instant, so often each."""
    for kind, number in asked.items():
        begun = time.monotonic()
        if number:
            with postgres.database() as url, Plant(kafka, url, f"{kind.__name__}.", folder) as plant:
                kind(plant, number)
                plant.reconciled()
        say({"meetings": number, "kind": kind.__name__, "exact": True, "seconds": round(time.monotonic() - begun)})


def say(figures: dict[str, object]) -> None:
    """One JSON line."""
    print(json.dumps(figures), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
