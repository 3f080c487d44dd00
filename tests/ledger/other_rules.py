"""Other rule sets than the packaged one: its document, changed; and ledgers under them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import copytree
from typing import Any

import orjson

from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from ledger import Ledger, activations, open_ledger
from ledger.activations import Activation
from ledger.database import writing
from ledger.rule_files import PACKAGED, load_document
from ledger.rules import Rules, store

Document = dict[str, Any]
Edit = Callable[[Document], None]
NEVER_YET = "2090-01-01"


@cache
def _packaged() -> bytes:
    return orjson.dumps(load_document(PACKAGED))


def document(*edits: Edit) -> Document:
    """The packaged rules' document with these changes."""
    found: Document = orjson.loads(_packaged())
    for edit in edits:
        edit(found)
    return found


def book(*edits: Edit) -> Rulebook:
    """The packaged rules with these changes."""
    return compile_rulebook(document(*edits))


@cache
def packaged() -> Rulebook:
    """The packaged rules."""
    return book()


def addon_of_20_minutes(rules: Document) -> None:
    """G3003 for each full 20 minutes in place of 15."""
    for version in rules["families"]["cpm"]["track"]["codes"]["G3003"]["minutes"]:
        version["value"] = 20


def sixteen_days(rules: Document) -> None:
    """RPM devices as they were until 2025: 16 days for the window and for the set-up, no code for fewer."""
    devices = rules["families"]["rpm"]["devices"]
    for version in devices["codes"]["99445"]["in_force"] + devices["codes"]["99445"]["days"]:
        version["from"] = NEVER_YET
    rules["prices"] = [row for row in rules["prices"] if row["code"] != "99445"]
    until, since = devices["set_up"]["99453"]["days"]
    until["to"], since["from"] = "2089-12-31", NEVER_YET


def other_prices(rules: Document) -> None:
    """Another table: what there is of 2025 and later is a tenth more, of BHI and the second unit of CPM there is none in 2026."""
    kept = [row for row in rules["prices"] if row["code"] not in {"99484", "G3003"} or row["from"] < "2026"]
    for row in kept:
        if row["from"] >= "2025" and row["nonfacility"] is not None:
            row["nonfacility"] = f"{float(row['nonfacility']) * 1.1:.2f}"
    rules["prices"] = kept


def no_medical_assistants(rules: Document) -> None:
    """CCM's staff without `ma`."""
    for version in rules["families"]["ccm"]["tracks"]["staff"]["roles"]:
        version["value"].remove("ma")


def monitoring_beside_monitoring(rules: Document) -> None:
    """RPM and RTM of one patient no longer exclude each other."""
    del rules["ruleset"]["exclusions"]["rpm-rtm"]


FIVE: dict[str, Edit] = {
    "G3003 each 20 minutes": addon_of_20_minutes,
    "RPM with 16 days": sixteen_days,
    "another price table": other_prices,
    "CCM without ma": no_medical_assistants,
    "RPM beside RTM": monitoring_beside_monitoring,
}


def folder_of_20_minutes(folder: Path) -> Path:
    """Rule files with the first of these changes."""
    copied = Path(copytree(PACKAGED, folder))
    file = copied / "cpm.yaml"
    before, after = file.read_text(encoding="utf-8").split("    G3003:\n")
    file.write_text(f"{before}    G3003:\n{after.replace('value: 15,', 'value: 20,')}", encoding="utf-8")
    return copied


def proposed(rules: Document) -> None:
    """The same, but only proposed."""
    rules["ruleset"]["legal_status"] = "proposed"


def ledger_under(book: Rulebook, url: str = "sqlite://") -> Ledger:
    """A new ledger that was begun under this rule set."""
    ledger = open_ledger(url, own_rules=True)
    with writing(ledger.engine) as connection:
        store(connection, book)
        activations.append(connection, Activation(0, None, None, None, book.digest, None, None, "test", "begun under other rules", 0))
    return ledger


def rules_of(ledger: Ledger) -> Rules:
    """The rules of a ledger as they are now."""
    found = Rules()
    with writing(ledger.engine) as connection:
        found.refresh(connection)
    return found
