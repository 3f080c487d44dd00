"""`verify` by several processes says what one process says."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from ledger import LedgerError, open_ledger, verify
from ledger.audit import Found
from ledger.database import writing
from ledger.ledger import Ledger
from tests.ledger.crowd import crowd, fed, write

SPOILED = (
    "UPDATE lines SET closed_units = closed_units + 1 WHERE status = 'closed'",
    "UPDATE events SET time = time + 1 WHERE type = 'care.condition.recorded.v1'",
    "UPDATE dead_letters SET id = 'other'",
    "DELETE FROM refs WHERE subject LIKE 'site:%'",
    "DELETE FROM busy WHERE performer = 'dr-a'",
    "DELETE FROM outbox WHERE type LIKE 'care.alert%'",
)


@pytest.fixture
def ledger(store: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on either kind of database, in which something is wrong everywhere."""
    with open_ledger(store) as ledger:
        fed(ledger, write(crowd(range(16), closes=True), tmp_path / "events.jsonl"))
        ledger.ingest([("nowhere:1", b"{}")])
        with writing(ledger.engine) as connection:
            for statement in SPOILED:
                connection.execute(text(statement))
        yield ledger


def test_several_processes_find_what_one_finds(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = ledger.verify()
    assert len(alone) > 20
    monkeypatch.setattr(verify, "MANY", 2)
    monkeypatch.setattr(verify, "cpu_count", lambda: 2)
    monkeypatch.setattr(verify, "LEAST", 1)
    assert ledger.verify() == alone


def test_the_parts_are_all_keys_and_become_smaller() -> None:
    keys = [f"acme/P-{number}" for number in range(1_000)]
    parts = list(verify._parts(keys, 2))
    assert [key for part in parts for key in part] == keys
    sizes = [len(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-2]) == (verify.TOGETHER, verify.LEAST)


def test_what_a_database_refuses_a_pass_is_said(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise LedgerError("the database refused: it is not in the mood")

    monkeypatch.setattr(verify, "MANY", 2)
    monkeypatch.setattr(verify, "cpu_count", lambda: 2)
    monkeypatch.setattr(verify, "_PASSES", (*verify._PASSES[:2], refused))
    with pytest.raises(LedgerError, match="mood"):
        ledger.verify()


@pytest.mark.parametrize("which", ["_PASSES", "_part_of"])
def test_a_process_that_dies_is_told_of(which: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        os._exit(9)

    monkeypatch.setattr(verify, "MANY", 2)
    monkeypatch.setattr(verify, "cpu_count", lambda: 2)
    monkeypatch.setattr(verify, which, (*verify._PASSES[:2], die) if which == "_PASSES" else die)
    with pytest.raises(LedgerError, match="ended by the system"):
        ledger.verify()


def test_a_process_that_dies_while_it_tells_is_told_of() -> None:
    """Given the head of a message of a hundred bytes, and ten of them, then nobody waits for the rest."""
    ours, theirs = verify._FORK.Pipe(duplex=False)
    os.write(theirs.fileno(), (100).to_bytes(4) + b"x" * 10)
    theirs.close()
    with pytest.raises(LedgerError, match="ended by the system"):
        verify._received(ours)
    ours.close()


def test_a_pass_that_says_much_is_heard(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds, beside passes and audits that go on."""
    monkeypatch.setattr(verify, "MANY", 2)
    monkeypatch.setattr(verify, "cpu_count", lambda: 2)
    much = Found(["x" * 1_000_000], Counter(), {}, {})
    alone = ledger.verify()
    monkeypatch.setattr(verify, "_PASSES", (verify._PASSES[0], lambda _: much, *verify._PASSES[1:]))
    assert sorted(ledger.verify()) == sorted([*alone, *much.differences])
