"""A crowd of patients of one tenant, written to a file and fed to ledgers, here or by processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger import Ledger, Summary
from tests.generators import Dice, Story
from tests.ledger.feed import ingest

Event = dict[str, Any]
Row = dict[str, Any]


def crowd(stories: Iterable[int], closes: bool = False, tenant: str = "acme") -> list[Event]:
    """Histories of one tenant whose patients share sites and people, so that there are double bookings among them."""
    events: list[Event] = []
    for number in stories:
        told = Story(Dice(number), tenant).tell(closes)
        events += [_renamed(event, number) for event in told]
    Dice(0).random.shuffle(events)
    return events


def _renamed(event: Event, number: int) -> Event:
    """The event under a source of its own, about a patient of its own."""
    renamed = {**event, "source": f"{event['source']}/{number}", "data": dict(event["data"])}
    if "source" in event["data"] and event["type"] == "care.event.retracted.v1":
        renamed["data"]["source"] = f"{event['data']['source']}/{number}"
    if event["subject"].startswith("P"):
        renamed["subject"] = f"{event['subject']}-{number}"
    return renamed


def write(events: Iterable[Event], file: Path) -> Path:
    """A file of the events, one a line."""
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return file


def fed(ledger: Ledger, file: Path, batch: int = 40) -> Ledger:
    """The ledger, once it has taken the file in."""
    ingest(ledger, file.read_bytes().splitlines(), batch)
    return ledger


def fed_again(ledger: Ledger, file: Path) -> Summary:
    """What comes of taking the same file in once more."""
    return ingest(ledger, file.read_bytes().splitlines(), 1000)


def adjusted(ledger: Ledger) -> dict[str, tuple[int, Decimal]]:
    """Units and US$ proposed for each line, all proposals together."""
    found: dict[str, tuple[int, Decimal]] = {}
    for row in ledger.adjustments():
        units, dollars = found.get(row["line_id"], (0, Decimal()))
        found[row["line_id"]] = units + row["units_delta"], dollars + Decimal(row["amount_delta"] or 0)
    return {line: sums for line, sums in found.items() if any(sums)}


def figures(ledger: Ledger) -> list[Row]:
    """All lines without their revisions, which tell how often they changed on the way."""
    return [{name: value for name, value in line.items() if name != "revision"} for line in ledger.lines()]


def start(url: str, file: Path, batch: int = 40, **environment: str) -> "subprocess.Popen[str]":
    """A process that feeds the file."""
    command = [sys.executable, "-m", "tests.ledger.feed", url, str(file), str(batch)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def url_of(file: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{file}"
