"""`verify` finds what somebody changed behind the ledger's back, and names it without repeating what stands there."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger import LedgerError, open_ledger
from ledger.rule_files import PACKAGED
from tests.ledger.crowd import crowd, fed, url_of, write

Spoil = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with closes, adjustments, double bookings, retractions and late registrations; it verifies."""
    folder = tmp_path_factory.mktemp("sound")
    with open_ledger(url_of(folder / "sound.db")) as ledger:
        fed(ledger, write(crowd(range(16), closes=True), folder / "events.jsonl"))
        assert ledger.verify() == []
        assert {line["status"] for line in ledger.lines()} >= {"ready", "held", "closed"}
        assert ledger.adjustments()
    return folder / "sound.db"


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """A copy that may be spoiled."""
    with closing(sqlite3.connect(sound)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as target:
        source.backup(target)
    return tmp_path / "copy.db"


def spoiled(database: Path, spoil: Spoil) -> list[str]:
    """The differences, once the database was changed by hand; at least one row must have been."""
    with closing(sqlite3.connect(database)) as connection:
        spoil(connection)
        connection.commit()
        assert connection.total_changes > 0, "nothing was spoiled"
    with open_ledger(url_of(database)) as ledger:
        return ledger.verify()


def delete(table: str, which: str = "1") -> Spoil:
    """One row of a table less, of those for which a condition holds."""
    return lambda connection: connection.execute(f"DELETE FROM {table} WHERE rowid = {_first(table, which)}")  # noqa: S608


def update(table: str, change: str, which: str = "1") -> Spoil:
    """One row of a table changed."""
    return lambda connection: connection.execute(f"UPDATE {table} SET {change} WHERE rowid = {_first(table, which)}")  # noqa: S608


def _first(table: str, which: str) -> str:
    return f"(SELECT min(rowid) FROM {table} WHERE {which})"  # noqa: S608


def run(statement: str) -> Spoil:
    """A change by one statement."""
    return lambda connection: connection.execute(statement)


def line(status: str, **changes: object) -> Spoil:
    """A change of what is shown of the first line of a status."""

    def change(connection: sqlite3.Connection) -> None:
        name, row = connection.execute(f"SELECT line_id, row FROM lines WHERE status = '{status}' ORDER BY line_id").fetchone()  # noqa: S608
        connection.execute("UPDATE lines SET row = ? WHERE line_id = ?", (json.dumps(json.loads(row) | changes).encode(), name))

    return change


def event(kind: str, old: str, new: str) -> Spoil:
    """A change of the bytes of the accepted events of a type."""

    def change(connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT raw, seq FROM events WHERE type = ?", (kind,)).fetchall()
        changed = [(raw.decode().replace(old, new).encode(), number) for raw, number in rows if old in raw.decode()]
        connection.executemany("UPDATE events SET raw = ? WHERE seq = ?", changed)

    return change


TIME = "care.time.logged.v1"
READY, CLOSED = (f"status = '{status}'" for status in ("ready", "closed"))
LIVING = "source || char(9) || id NOT IN (SELECT identity FROM tombstones)"
SPOILED: dict[str, tuple[Spoil, str]] = {
    "the amount of a line": (line("ready", amount="1.00"), "is not what"),
    "the price of a unit": (line("ready", unit_amount="0.01"), "is not what"),
    "the units of a line": (line("ready", units=9), "is not what"),
    "the evidence of a line": (line("ready", evidence=[]), "is not what"),
    "the seconds of a line": (line("ready", seconds=1), "is not what"),
    "what a held line lacks": (line("held", unmet=[]), "is not what"),
    "the status of a line": (update("lines", "status = 'held'", READY), "is not what"),
    "a line that is gone": (delete("lines", READY), "is not what"),
    "the date of a closed line": (line("closed", date_of_service="2026-01-01"), "closed line"),
    "the units at a close": (update("lines", "closed_units = closed_units + 1", CLOSED), "is not what"),
    "the cents at a close": (update("lines", "closed_cents = closed_cents + 1", CLOSED), "is not what"),
    "a closed line reopened": (update("lines", "status = 'ready'", CLOSED), "no longer stored as closed"),
    "the units adjusted": (update("lines", "adjusted_units = adjusted_units + 1", "adjusted_units <> 0"), "proposals add up"),
    "an event that is gone": (delete("events", LIVING), "events are missing"),
    "a time entry that is gone": (delete("events", f"type = '{TIME}'"), "entries of patient"),
    "registrations that are gone": (run("DELETE FROM events WHERE type LIKE 'care.site%'"), "registrations"),
    "the performer of events": (event(TIME, '"performer_id": "dr-a"', '"performer_id": "dr-x"'), "entries of patient"),
    "the source of time": (event(TIME, '"source": "timer"', '"source": "inferred"'), "entries of patient"),
    "the zones of sites": (event("care.site.registered.v1", '"zone": "', '"zone": "Asia/Tokyo", "name": "'), "registrations"),
    "a stored consent": (update("patients", "facts = replace(facts, '\"consents\"', '\"plans\"')"), "facts of patient"),
    "stored entries": (update("months", "facts = '{}'", "length(facts) > 2"), "entries of patient"),
    "an alert that is gone": (delete("outbox", "type LIKE 'care.alert%'"), "decisions are missing"),
    "an adjustment that is gone": (delete("outbox", "type LIKE '%proposed%'"), "proposals add up"),
    "a close nobody was told of": (delete("outbox", "type LIKE '%month.closed%'"), "its close announced"),
    "a close that is gone": (delete("closures"), "stored closes"),
    "a stored role": (run("UPDATE registrations SET facts = '[\"other\", null]' WHERE kind = 'person'"), "registrations"),
    "bookings that are gone": (run("DELETE FROM busy WHERE performer = 'dr-a'"), "bookings of patient"),
    "double bookings that are gone": (run("DELETE FROM conflicts WHERE performer = 'dr-a'"), "double bookings of patient"),
    "retractions that are gone": (run("DELETE FROM tombstones WHERE identity LIKE '/ehr/a%'"), "retractions"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_change_is_found(what: str, copy: Path) -> None:
    spoil, named = SPOILED[what]
    differences = spoiled(copy, spoil)
    assert any(named in difference for difference in differences), differences


def test_an_untouched_copy_verifies(copy: Path) -> None:
    with open_ledger(url_of(copy)) as ledger:
        assert ledger.verify() == []


def test_differences_do_not_repeat_what_stands_there(copy: Path) -> None:
    spoil = run("UPDATE months SET facts = replace(facts, 'timer', 'Zq7-diagnosis')")
    differences = spoiled(copy, spoil)
    assert differences
    assert "Zq7" not in "".join(differences)


def test_changed_rules_are_found(copy: Path, tmp_path: Path) -> None:
    """The same rules elsewhere are the same; with a price changed they are others, and nothing is decided by them."""
    rules = tmp_path / "rules"
    shutil.copytree(PACKAGED, rules)
    with open_ledger(url_of(copy), rules) as ledger:
        assert ledger.verify() == []
    prices = rules / "prices.csv"
    text = prices.read_text(encoding="utf-8")
    assert text.count("31.73") > 0
    prices.write_text(text.replace("31.73", "31.74"), encoding="utf-8")
    with open_ledger(url_of(copy), rules) as ledger:
        assert any("rule set" in difference for difference in ledger.verify())
        with pytest.raises(LedgerError, match="rule set"):
            ledger.ingest([])
