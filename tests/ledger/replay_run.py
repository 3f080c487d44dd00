"""Makes a plan, or carries it out, in a process of its own: `python -m tests.ledger.replay_run plan|apply URL FILE`.

The plan is that of all five changes. A line tells of each step that is done, the first that the work begins.
"""

import sys
from pathlib import Path

from ledger import Ledger, applying, open_ledger, plans
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.other_rules import FIVE, book
from tests.ledger.replays import WORD

PORTION = 24


def main(what: str, url: str, file: str) -> int:
    """Do it, in steps."""
    with open_ledger(url) as ledger:
        tell()
        if what == "plan":
            plan(ledger, Path(file))
        else:
            applying.apply(ledger.engine, plans.read(Path(file)), WORD, settle=lambda: settle(ledger))
    return 0


def plan(ledger: Ledger, file: Path) -> None:
    """Write the plan, its parts in a journal beside it until all are done."""
    journal = file.with_name(f"{file.name}.partial")
    raw = make(ledger.engine, book(*FIVE.values()), Scope(), workers=1, journal=journal, progress=lambda _done, _parts: tell())
    file.write_bytes(raw)


def settle(ledger: Ledger) -> None:
    """Decide what is due, in transactions of a few patients."""
    while ledger.settle_some(PORTION):
        tell()
    ledger.settle()


def tell() -> None:
    """Say that a step is done."""
    print("step", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
