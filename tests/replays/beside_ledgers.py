"""Plans over the sample's history: what they say, what carrying out and taking back makes of it, beside a ledger under the other rules."""

import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from caremonth.sample import sample
from domain.rulebook import Rulebook
from ledger import Ledger, open_ledger
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.other_rules import Edit, book, ledger_under
from tests.ledger.replays import applied, differing, planned, reverted, sums, units_of


class History:
    """The sample's events, and a ledger that has taken them in, in files."""

    def __init__(self, folder: Path, patients: int, months: int, seed: int) -> None:
        self.folder = folder
        self.events = folder / "events.jsonl"
        with self.events.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in sample(patients, months, 4, seed, close=True))
        self.file = folder / "ledger.db"
        with open_ledger(f"sqlite:///{self.file}") as ledger:
            self.feed(ledger)
            self.sums = sums(ledger)
            self.wrong = ledger.verify()

    def feed(self, ledger: Ledger) -> None:
        """Take all events in."""
        with self.events.open("rb") as file:
            ledger.ingest((f"sample:{number}", line) for number, line in enumerate(file, 1))

    def copy(self, folder: Path) -> Ledger:
        """The ledger once more."""
        copyfile(self.file, folder / "copy.db")
        return open_ledger(f"sqlite:///{folder / 'copy.db'}")


def compared(history: History, edit: Edit) -> dict[str, Any]:
    """One change: how many patient-months and changes, and how many things are not as they must be, each told on stderr."""
    with TemporaryDirectory(dir=history.folder) as folder:
        return _compared(history, book(edit), Path(folder))


def _compared(history: History, other: Rulebook, folder: Path) -> dict[str, Any]:
    with ledger_under(other, f"sqlite:///{folder / 'other.db'}") as under:
        history.feed(under)
        wanted = sums(under)
    with history.copy(folder) as ledger:
        plan = planned(ledger, other)
        everything = make(ledger.engine, other, Scope(), everything=True)
        wrong = [*history.wrong, *_told(history, units_of(plan), wanted)]
        wrong += [] if planned(ledger, other, workers=1).document == plan.document else ["one process plans otherwise than several"]
        wrong += [] if everything.endswith(b"}\n") and plan.digest.encode() in everything else ["deciding everything is another plan"]
        applied(ledger, plan)
        wrong += [*ledger.verify(), *(f"carried out: {'/'.join(key)}" for key in differing(sums(ledger), wanted))]
        reverted(ledger, plan)
        back = sums(ledger)
        keys = history.sums.keys() | back.keys()
        wrong += [*ledger.verify(), *(f"taken back: {'/'.join(key)}" for key in keys if history.sums.get(key) != back.get(key))]
    sys.stderr.write("".join(f"{text}\n" for text in wrong[:20]))
    return {"patient_months": plan.document["evaluated"], "changes": len(plan.changes), "wrong": len(wrong)}


def _told(history: History, found: dict[Any, Any], wanted: dict[Any, Any]) -> Iterator[str]:
    """Where the plan is not what the two ledgers differ by."""
    expected = differing(history.sums, wanted)
    yield from (f"planned: {'/'.join(key)}" for key, units in expected.items() if found.get(key) != units)
    yield from (f"planned in vain: {'/'.join(key)}" for key, (was, now) in found.items() if was != now and key not in expected)
