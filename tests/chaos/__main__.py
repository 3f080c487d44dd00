"""`python -m tests.chaos --rounds 100 --seed 1`: rounds of trouble on servers of their own; a JSON line each, exit 1 at the first difference."""

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.rounds import rounds
from tests.servers import running_kafka, running_postgres


def main() -> int:
    """Run the rounds and print what they came to."""
    words = argparse.ArgumentParser(prog="python -m tests.chaos")
    words.add_argument("--rounds", type=int, default=100)
    words.add_argument("--seed", type=int, default=1)
    asked = words.parse_args()
    # A producer without its broker says so some thousand times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    begun, done = time.monotonic(), 0
    with (
        tempfile.TemporaryDirectory(prefix="caremonth-chaos-") as folder,
        running_kafka(own=True) as kafka,
        running_postgres(own=True) as postgres,
    ):
        try:
            for one in rounds(kafka, postgres, "chaos.", Path(folder), asked.rounds, asked.seed):
                say({"round": one.number + 1, **one._asdict()})
                done += 1
        except AssertionError as difference:
            sys.stderr.write(f"{difference}\n")
    seconds = time.monotonic() - begun
    say(
        {
            "rounds": done,
            "seed": asked.seed,
            "exact": done == asked.rounds,
            "seconds": round(seconds),
            "seconds_a_round": round(seconds / max(done, 1), 1),
        }
    )
    return 0 if done == asked.rounds else 1


def say(figures: dict[str, object]) -> None:
    """One JSON line."""
    print(json.dumps(figures), flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
