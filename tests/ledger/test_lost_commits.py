"""The answer to a COMMIT is lost: whatever became of it, the input is taken in once, and told to be new."""

import json
from collections.abc import Callable, Iterator
from time import sleep

import psycopg
import pytest
from sqlalchemy import insert, make_url, select

from ledger import Ledger, Summary, commits, open_ledger, schema
from ledger.database import reading, writing
from tests.ledger.crowd import crowd
from tests.ledger.line import BREAK, DELIVER_AND_BREAK, PASS, Fate, Line, line_to
from tests.servers import Postgres, running_postgres

COMMIT = b"COMMIT\0"
NOTHING_FLUSHED = {"wal_writer_delay": "10s", "bgwriter_lru_maxpages": "0", "autovacuum": "off"}
"""Nobody but a COMMIT brings the log to disk."""


def letter(story: int) -> tuple[str, bytes]:
    return "cut", json.dumps(crowd([story])[0]).encode()


def taken(ledger: Ledger, story: int) -> Summary:
    return Summary.of(ledger.take(ledger.read([letter(story)])))


@pytest.fixture(scope="module")
def careless() -> Iterator[Postgres]:
    """A server that a crash makes forget all that was not committed, the numbers of transactions too."""
    with running_postgres(NOTHING_FLUSHED, own=True) as server:
        yield server


@pytest.fixture
def line(database_url: str) -> Iterator[Line]:
    with line_to(database_url) as line:
        yield line


def taken_in_once(line: Line, fate: Callable[[], Fate], before: int = 0) -> None:
    """Take an event in whose COMMIT meets the fate, and again: it is new exactly once. So many transactions come before in the session."""
    met: list[bytes] = []

    def cut(sent: bytes) -> Fate:
        if COMMIT not in sent or met:
            return PASS
        met.append(sent)
        return fate()

    with open_ledger(line.url) as ledger:
        assert ledger.rulebook.id
        for story in range(before):
            assert taken(ledger, story) == (1, 0, 0)
        line.cut = cut
        assert taken(ledger, before) == (1, 0, 0)
        assert met
        assert taken(ledger, before) == (0, 1, 0)
        ledger.settle()
        assert ledger.verify() == []


@pytest.mark.parametrize("before", [0, 1], ids=["first-of-its-session", "later"])
@pytest.mark.parametrize("fate", [DELIVER_AND_BREAK, BREAK])
def test_a_commit_that_arrives_or_is_lost(line: Line, fate: str, before: int) -> None:
    taken_in_once(line, lambda: fate, before)


@pytest.mark.parametrize("before", [0, 1], ids=["first-of-its-session", "later"])
def test_a_session_that_is_still_at_it_is_waited_for(database_url: str, line: Line, before: int) -> None:
    """The server has not got the COMMIT yet when it is asked what became of it."""
    waited: list[str] = []

    def somebody_waits() -> None:
        while not (waiting := ask(database_url, "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'")):
            sleep(0.02)
        waited.extend(waiting)

    taken_in_once(line, lambda: somebody_waits, before)
    assert "commits" in waited[0]


@pytest.mark.parametrize("again", [False, True], ids=["nobody-has-it", "given-to-another"])
def test_a_crash_that_loses_the_number_of_the_transaction(careless: Postgres, again: bool) -> None:
    """Postgres no longer knows the number, or has by then given it to a transaction that it committed."""

    def crash() -> Fate:
        line.away = True
        (number,) = ask(url, "SELECT backend_xid::text FROM pg_stat_activity WHERE backend_xid IS NOT NULL")
        careless.switch.kill()
        careless.switch.start()
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="in the future"):
            ask(url, f"SELECT pg_xact_status('{number}')")
        if again:
            assert number in [ask(url, "SELECT pg_current_xact_id()::text")[0] for _ in range(20)]
            assert ask(url, f"SELECT pg_xact_status('{number}')") == ["committed"]
        line.away = False
        return BREAK

    with careless.database() as url, line_to(url) as line:
        taken_in_once(line, crash)


def ask(url: str, query: str) -> list[str]:
    """The first column of what the server says."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query.encode()).fetchall()]


def test_what_sessions_left_behind_goes_when_it_is_old(database_url: str) -> None:
    """A session takes out the rows of those that began long before it, but for one that somebody has at hand."""
    now = int(ask(database_url, "SELECT extract(epoch FROM now())::bigint")[0])
    row = {"session": 1, "last": 1}
    with open_ledger(database_url) as ledger, open_ledger(database_url) as other:
        with writing(ledger.engine) as connection:
            began = [now - commits.KEPT_SECONDS - 60, now - commits.KEPT_SECONDS - 30, now - 2 * commits.SESSION_SECONDS]
            connection.execute(insert(schema.commits), [{**row, "began": one} for one in began])
        with writing(other.engine) as connection:
            connection.execute(select(schema.commits).where(schema.commits.c.began == began[0]).with_for_update())
            assert taken(ledger, 0) == taken(ledger, 1) == (1, 0, 0)
        with reading(ledger.engine) as connection:
            left = connection.execute(select(schema.commits.c.began, schema.commits.c.session).order_by(schema.commits.c.began)).all()
    assert [one.began for one in left[:2]] == [began[0], began[2]]
    assert len({one.session for one in left[2:]}) == 1
