"""A database that cannot be written to: one sentence, nothing half-written, and the same file again completes it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest

from ledger import LedgerError, open_ledger
from tests.ledger.crowd import adjusted, crowd, fed, figures, start, url_of, write

NOBODY = 65534


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(crowd(range(8), closes=True), tmp_path_factory.mktemp("crowd") / "events.jsonl")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may enter, so that another user fails at the database and not on the way to it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def is_one_sentence(text: str) -> bool:
    """Whether a complaint is a sentence for people and repeats nothing of statements and events."""
    return "\n" not in text.strip() and not {"Traceback", "INSERT", "SELECT", "[SQL"} & set(text.split()) and "refused" in text


def completes(file: Path, database: Path) -> None:
    """The same file again makes the ledger what an undisturbed one is."""
    with open_ledger(url_of(database)) as ledger, open_ledger("sqlite://") as calm:
        fed(ledger, file)
        fed(calm, file)
        assert ledger.verify() == []
        assert (figures(ledger), adjusted(ledger)) == (figures(calm), adjusted(calm))


def refused(url: str, file: Path, **environment: str) -> str:
    """What the process says that cannot write."""
    process = start(url, file, 40, **environment)
    _, complaint = process.communicate()
    assert process.returncode == 1, complaint
    assert is_one_sentence(complaint), complaint
    return complaint


def test_a_full_disk(file: Path, tmp_path: Path) -> None:
    """Files may grow to so many bytes and no further; the process is told so in the middle of a write."""
    database = tmp_path / "ledger.db"
    for limit in (100_000, 300_000, 700_000):
        refused(url_of(database), file, FEED_FILE_SIZE=str(limit))
    with open_ledger(url_of(database)) as ledger:
        ledger.ingest([])
        assert ledger.verify() == []
    completes(file, database)


def test_a_database_that_reached_its_size(file: Path, tmp_path: Path) -> None:
    """SQLite's own word for a full disk, whatever the file system calls it."""
    database = tmp_path / "ledger.db"
    with open_ledger(url_of(database)) as ledger:
        lines = file.read_bytes().splitlines()
        ledger.ingest(("before", line) for line in lines[:50])
        before = ledger.lines(), list(ledger.events())
        with ledger.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(LedgerError, match="full") as full:
            ledger.ingest((("then", line) for line in lines), batch=1000)
        assert is_one_sentence(str(full.value))
        assert (ledger.lines(), list(ledger.events())) == before
    completes(file, database)


def test_a_database_opened_read_only(file: Path, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    with open_ledger(url_of(database)) as ledger:
        ledger.ingest(("before", line) for line in file.read_bytes().splitlines()[:50])
        lines = ledger.lines()
    with open_ledger(f"sqlite:///file:{database}?mode=ro&uri=true") as ledger:
        assert ledger.lines() == lines
        with pytest.raises(LedgerError, match="readonly") as read_only:
            fed(ledger, file)
        assert is_one_sentence(str(read_only.value))
    completes(file, database)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can feed as another user")
def test_a_file_and_a_folder_of_another_user(file: Path, open_folder: Path) -> None:
    database = open_folder / "ledger.db"
    with open_ledger(url_of(database)) as ledger:
        fed(ledger, file)
        lines = ledger.lines()
    open_folder.chmod(0o755)
    database.chmod(0o644)
    refused(url_of(database), file, FEED_USER=str(NOBODY))
    refused(url_of(open_folder / "new.db"), file, FEED_USER=str(NOBODY))
    assert not (open_folder / "new.db").exists()
    with open_ledger(url_of(database)) as ledger:
        assert ledger.lines() == lines
    completes(file, database)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="unable to open") as missing:
        open_ledger(url_of(tmp_path / "nowhere" / "ledger.db"))
    assert is_one_sentence(str(missing.value))


def test_a_file_that_is_no_database(file: Path) -> None:
    content = file.read_bytes()
    with pytest.raises(LedgerError, match="not a database") as other:
        open_ledger(url_of(file))
    assert is_one_sentence(str(other.value))
    assert file.read_bytes() == content


def test_a_lock_that_is_let_go_in_time(file: Path, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    with open_ledger(url_of(database)) as ledger:
        assert ledger.lines() == []
    with closing(_locked(database)) as other:
        Timer(0.5, lambda: other.execute("ROLLBACK")).start()
        completes(file, database)


def test_a_lock_that_is_held_for_too_long(file: Path, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    with open_ledger(url_of(database)) as ledger:
        ledger.ingest(("before", line) for line in file.read_bytes().splitlines()[:50])
        before = ledger.lines()
    with closing(_locked(database)), open_ledger(f"{url_of(database)}?timeout=0.2") as ledger:
        with pytest.raises(LedgerError, match="locked") as locked:
            fed(ledger, file)
        assert is_one_sentence(str(locked.value))
        assert ledger.lines() == before
    completes(file, database)


def test_a_timeout_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="timeout=10"):
        open_ledger(f"{url_of(tmp_path / 'ledger.db')}?timeout=soon")


def _locked(database: Path) -> sqlite3.Connection:
    """A connection that holds the write lock."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection
