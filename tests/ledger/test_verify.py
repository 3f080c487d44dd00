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
        assert ledger.ingest([("nowhere:1", b"{}")]).dead_letters == 1
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
    return _bytes("events", "raw", "seq", kind, old, new)


def decision(kind: str, old: str, new: str) -> Spoil:
    """A change of the bytes of the last decision of a type that has some text."""
    return _bytes("outbox", "event", "sequence", kind, old, new, last=True)


def _bytes(table: str, column: str, key: str, kind: str, old: str, new: str, *, last: bool = False) -> Spoil:
    def change(connection: sqlite3.Connection) -> None:
        rows = connection.execute(f"SELECT {column}, {key} FROM {table} WHERE type = ? ORDER BY {key}", (kind,)).fetchall()  # noqa: S608
        changed = [(raw.decode().replace(old, new, 1).encode(), number) for raw, number in rows if old in raw.decode()]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", changed[-1:] if last else changed)  # noqa: S608

    return change


def state(path: str, value: object = None) -> Spoil:
    """A value of the first month's state that has it set, or taken out where there is none to set."""

    def change(connection: sqlite3.Connection) -> None:
        which = f"json_extract(CAST(state AS TEXT), '{path}') IS NOT NULL"
        done = f"json_set(CAST(state AS TEXT), '{path}', ?)" if value is not None else f"json_remove(CAST(state AS TEXT), '{path}')"
        text = f"UPDATE months SET state = CAST({done} AS BLOB) WHERE rowid = {_first('months', which)}"  # noqa: S608
        connection.execute(text, () if value is None else (value,))

    return change


def document(name: str, change: str) -> Spoil:
    """A list in the first patient's document that has it changed by an SQLite function of JSON."""
    text = "CAST(facts AS TEXT)"
    which = _first("patients", f"json_array_length({text}, '$.{name}') > 0")
    return run(f"UPDATE patients SET facts = CAST({change.format(text)} AS BLOB) WHERE rowid = {which}")  # noqa: S608


TIME = "care.time.logged.v1"
READY, CLOSED = (f"status = '{status}'" for status in ("ready", "closed"))
TEXT = "CAST(facts AS TEXT)"
READY_EVENT, WITHDRAWN, CLOSED_EVENT, PROPOSED = (
    f"billing.{name}.v1" for name in ("line.ready", "line.withdrawn", "month.closed", "adjustment.proposed")
)
ALERT, PROGRESS = "care.alert.raised.v1", "care.month.progressed.v1"
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
    "a reference that is gone": (run("DELETE FROM refs WHERE subject LIKE 'site:%'"), "stored references of patient"),
    "a reference too many": (run("INSERT INTO refs VALUES ('acme', 'site:nowhere', 'acme/P1-3')"), "stored references of patient"),
    "a reference of a patient": (document("references", "json_remove({}, '$.references[0]')"), "stored to refer to"),
    "a month of a patient": (document("months", "json_remove({}, '$.months[0]')"), "among the months of patient"),
    "a month too many": (document("months", "json_insert({}, '$.months[#]', '2031-01')"), "among the months of patient"),
    "a row twice in a month": (
        update("months", f"facts = CAST(json_insert({TEXT}, '$.entries[#]', json_extract({TEXT}, '$.entries[0]')) AS BLOB)"),
        "entries of patient",
    ),
    "units of a ready line sent": (decision(READY_EVENT, '"units":', '"units":1'), "billed as it was announced"),
    "the date of a ready line sent": (decision(READY_EVENT, '"date_of_service":"2', '"date_of_service":"1'), "billed as it was announced"),
    "the site of a ready line sent": (decision(READY_EVENT, '"site_id":"', '"site_id":"x'), "billed as it was announced"),
    "the amount of a ready line sent": (decision(READY_EVENT, '"amount":"', '"amount":"1'), "billed as it was announced"),
    "the line of a ready line sent": (decision(READY_EVENT, '"line_id":"', '"line_id":"0'), "is not the one that was sent"),
    "the code of a ready line sent": (decision(READY_EVENT, '"code":"', '"code":"9'), "is not the one that was sent"),
    "the revision of a ready line sent": (decision(READY_EVENT, '"revision":', '"revision":1'), "is not the one that was sent"),
    "a ready line sent as withdrawn": (
        update("outbox", f"type = '{WITHDRAWN}'", f"type = '{READY_EVENT}'"),
        "is not the one that was sent",
    ),
    "a withdrawn line sent as ready": (decision(WITHDRAWN, WITHDRAWN, READY_EVENT), "is not the one that was sent"),
    "the line withdrawn": (decision(WITHDRAWN, '"line_id":"', '"line_id":"0'), "is not the one that was sent"),
    "the units of a close sent": (decision(CLOSED_EVENT, '"units":', '"units":1'), "not the closed line its close announced"),
    "the site of a close sent": (decision(CLOSED_EVENT, '"month":"', '"month":"9'), "is not the one that was sent"),
    "the units proposed": (decision(PROPOSED, '"units_delta":', '"units_delta":9'), "proposals add up"),
    "the amount proposed": (decision(PROPOSED, '"amount_delta":"', '"amount_delta":"9'), "proposals add up"),
    "the kind of a proposal": (decision(PROPOSED, "payment", "pay"), "is not the one that was sent"),
    "the group of a proposal": (decision(PROPOSED, '"group":"', '"group":"0'), "is not the one that was sent"),
    "the id of a decision": (update("outbox", "id = '00000000-0000-5000-8000-000000000000'"), "is not the one that was sent"),
    "the type of a decision": (update("outbox", f"type = '{ALERT}'", f"type = '{PROGRESS}'"), "is not the one that was sent"),
    "the tenant of a decision": (update("outbox", "tenant = 'other'"), "is not the one that was sent"),
    "the subject of a decision": (decision(PROGRESS, '"subject":"', '"subject":"x'), "is not the one that was sent"),
    "a decision that is none": (update("outbox", "event = CAST('{' AS BLOB)"), "is not the one that was sent"),
    "the id in a decision": (decision(ALERT, '"id":"', '"id":"0'), "is not the one that was sent"),
    "what an alert is about": (decision(ALERT, '"month":"2', '"month":"3'), "is not the one that was sent"),
    "the progress told": (decision(PROGRESS, '"counted_seconds":', '"counted_seconds":1'), "the progress of patient"),
    "the mark of the progress": (state("$.progress", "00"), "the progress of patient"),
    "the steps of the progress": (state("$.steps", 77), "the progress of patient"),
    "an alert forgotten": (state("$.reached[0]"), "is not the one that was sent"),
    "an alert remembered": (state("$.reached[0]", "CPM/dr-none/G3002/"), "that the ledger remembers was not sent"),
    "the time of an event": (event("care.condition.recorded.v1", '"time": "2026-01', '"time": "2026-02'), "not as they were accepted"),
    "the reason of an end": (event("care.enrollment.ended.v1", '"reason": "', '"reason": "x'), "not as they were accepted"),
    "what was done in time": (event(TIME, '"activity": "', '"activity": "x'), "not as they were accepted"),
    "the name of a site": (event("care.site.registered.v1", '"name": "', '"name": "x'), "not as they were accepted"),
    "who closed a month": (event("care.month.closed.v1", '"by": "', '"by": "x'), "not as they were accepted"),
    "an event that is none": (update("events", "raw = CAST('[]' AS BLOB)", f"type = '{TIME}'"), "not as they were accepted"),
    "the digest of an event": (update("events", "digest = zeroblob(16)"), "not as they were accepted"),
    **{
        f"the column {name} of an event": (update("events", f"{name} = {value}", f"type = '{TIME}'"), "not as they were accepted")
        for name, value in {
            "tenant": "'other'",
            "source": "'/other'",
            "id": "'other'",
            "type": "'care.patient.died.v1'",
            "subject": "'other'",
            "time": "time + 1",
            "replaces": "'other'",
        }.items()
    },
    "the time of a close": (update("closures", "time = time + 1"), "stored closes"),
    "the identity of a close": (update("closures", "identity = 'other'"), "stored closes"),
    "the time of a retraction": (run("UPDATE tombstones SET time = time + 1"), "retractions"),
    "the id of a rule set": (update("rule_sets", "id = 'other'"), "its digest names"),
    "the id of a dead letter": (update("dead_letters", "id = 'other'"), "dead letter 1"),
    "the bytes of a dead letter": (update("dead_letters", "raw = CAST('[]' AS BLOB)"), "dead letter 1"),
    "the month of a line": (update("lines", "month_key = 'acme/P/2026-01'"), "kept under another month"),
    "the id of a line": (update("lines", "line_id = 'other'", READY), "is not what the events come to"),
    "the site of a close of a line": (update("lines", "closed_site = 'other'", CLOSED), "for another site than its own"),
    "the cents adjusted": (update("lines", "adjusted_cents = adjusted_cents + 1", "adjusted_cents <> 0"), "their amounts differ"),
    "a month that nobody has": (run("INSERT INTO months VALUES ('acme/nobody/2026-01', '{}', '{}')"), "rows of months"),
    "the other patient of a double booking": (run("UPDATE conflicts SET other_patient = 'acme/other'"), "double bookings of patient"),
    "retractions that are gone": (run("DELETE FROM tombstones WHERE identity LIKE '/ehr/a%'"), "retractions"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_change_is_found(what: str, copy: Path) -> None:
    spoil, named = SPOILED[what]
    differences = spoiled(copy, spoil)
    assert any(named in difference for difference in differences), differences


DOCUMENTS = [
    "events.raw", "patients.facts", "months.facts", "months.state", "lines.row", "outbox.event", "registrations.facts",
    "rule_sets.document",
]  # fmt: skip


@pytest.mark.parametrize("where", DOCUMENTS)
@pytest.mark.parametrize("text", ["{", "[]", "7", '{"data": 7}'])
def test_a_document_that_is_none_is_a_difference_and_stops_nothing(where: str, text: str, copy: Path) -> None:
    table, _, column = where.partition(".")
    assert spoiled(copy, run(f"UPDATE {table} SET {column} = CAST('{text}' AS BLOB)"))  # noqa: S608


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
