"""Statements in a pipeline: what was only said is carried out, in order, and its errors are not lost."""

from time import sleep

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from ledger import LedgerError, driver, open_ledger, schema
from ledger.database import pipelined
from ledger.postgres import is_lost
from ledger.retry import transaction

SAY = "INSERT INTO performers (key) VALUES (%s)"
KEYS = select(schema.performers.c.key).order_by(schema.performers.c.key)


def test_what_was_said_is_seen_by_what_is_asked_behind_it(database_url: str) -> None:
    """By the driver's own statements and by SQLAlchemy's, which know nothing of pipelines."""
    with open_ledger(database_url) as ledger, ledger.engine.connect() as connection, connection.begin():
        with pipelined(connection):
            driver.said(connection, SAY, ["a"])
            first = driver.later(connection, "SELECT key FROM performers ORDER BY key")
            driver.said(connection, SAY, ["b"])
            assert connection.execute(KEYS).scalars().all() == ["a", "b"]
            assert first() == [("a",)]
        assert driver.rows(connection, "SELECT count(*) FROM performers") == [(2,)]


@pytest.mark.parametrize("asks", [True, False], ids=["at-the-next-answer", "at-the-end"])
def test_an_error_of_what_was_said_is_told(database_url: str, asks: bool) -> None:
    with open_ledger(database_url) as ledger:

        def twice() -> None:
            with ledger.engine.connect() as connection, connection.begin(), pipelined(connection):
                driver.said(connection, SAY, ["a"])
                driver.said(connection, SAY, ["a"])
                if asks:
                    driver.rows(connection, "SELECT 1")

        with pytest.raises(DBAPIError) as refused:
            twice()
        assert getattr(refused.value.orig, "sqlstate", None) == "23505"
        assert not refused.value.connection_invalidated
        with ledger.engine.connect() as connection:
            assert connection.execute(KEYS).all() == []


def test_a_race_that_shows_late_is_tried_again(database_url: str) -> None:
    """Another writer was quicker with a row that is only said: the transaction begins anew, and what it wrote the first time is gone."""
    with open_ledger(database_url) as ledger:
        tries: list[int] = []

        def work(connection: Connection) -> None:
            tries.append(len(tries))
            with pipelined(connection):
                driver.said(connection, SAY, [f"try-{len(tries)}"])
                driver.said(connection, SAY, ["a"])
                if len(tries) == 1:
                    driver.said(connection, SAY, ["a"])

        transaction(ledger.engine, work)
        assert len(tries) == 2
        with ledger.engine.connect() as connection:
            assert connection.execute(KEYS).scalars().all() == ["a", "try-2"]


def test_a_transaction_of_what_was_only_said_is_committed(database_url: str) -> None:
    with open_ledger(database_url) as ledger:
        transaction(ledger.engine, lambda connection: driver.said(connection, SAY, ["a"]), pipeline=True)
        with ledger.engine.connect() as connection:
            assert connection.execute(KEYS).scalars().all() == ["a"]


@pytest.mark.parametrize("asks", [True, False], ids=["answers-between", "none"])
def test_a_commit_said_behind_what_failed_is_told_to_be_none(database_url: str, asks: bool) -> None:
    """Postgres answers such a COMMIT without an error: it rolls back."""

    def work(connection: Connection) -> None:
        driver.said(connection, SAY, ["a"])
        if asks:
            assert driver.rows(connection, "SELECT count(*) FROM performers") == [(1,)]
        driver.said(connection, "SELECT 1 / 0")

    with open_ledger(database_url) as ledger:
        with pytest.raises(LedgerError, match="DivisionByZero"):
            transaction(ledger.engine, work, pipeline=True)
        with ledger.engine.connect() as connection:
            assert connection.execute(KEYS).all() == []
        transaction(ledger.engine, lambda connection: driver.said(connection, SAY, ["b"]), pipeline=True)


def test_what_was_to_be_prepared_behind_a_failure_is_still_understood(database_url: str) -> None:
    """Given a statement that is common enough to be prepared behind one that fails, then the next transactions can say it again."""
    common = "SELECT 41 + %s::int"

    def one(connection: Connection) -> list[tuple[int]]:
        return driver.rows(connection, common, [1])

    def failing(connection: Connection) -> None:
        driver.said(connection, "SELECT 1 / length(pg_sleep(0.2)::text)")  # fails when the next is said already
        driver.said(connection, common, [1])

    for times in range(3, 8):
        with open_ledger(database_url) as ledger:
            for _ in range(times):
                assert transaction(ledger.engine, one, pipeline=True) == [(42,)]
            with pytest.raises(LedgerError, match="DivisionByZero"):
                transaction(ledger.engine, failing, pipeline=True)
            assert transaction(ledger.engine, one, pipeline=True) == [(42,)]


@pytest.mark.parametrize("asks", [True, False], ids=["at-the-next-answer", "at-the-end"])
def test_a_lost_session_is_told_as_one_and_given_up(database_url: str, asks: bool, caplog: pytest.LogCaptureFixture) -> None:
    def ended(connection: Connection) -> None:
        with pipelined(connection):
            driver.said(connection, "SELECT pg_terminate_backend(pg_backend_pid())")
            for key in ("a", "b", "c"):
                driver.said(connection, SAY, [key])
            if asks:
                driver.rows(connection, "SELECT 1")

    with open_ledger(database_url) as ledger, ledger.engine.connect() as connection:
        connection.begin()
        with pytest.raises(DBAPIError) as lost:
            ended(connection)
        assert is_lost(lost.value)
        assert connection.invalidated
    assert not caplog.records


@pytest.mark.parametrize("last", ["an-answer", "what-was-said", "a-statement-of-others", "the-pipeline"])
def test_who_is_frozen_behind_a_statement_is_idle_and_loses_the_transaction(database_url: str, last: str) -> None:
    """Else its locks would hold up all other writers for as long as it sleeps: in the midst of a pipeline no timeout of Postgres runs."""

    def frozen(connection: Connection) -> None:
        with pipelined(connection):
            driver.said(connection, "SET LOCAL idle_in_transaction_session_timeout = 500")
            driver.said(connection, SAY, ["a"])
            if last == "an-answer":
                driver.rows(connection, "SELECT 1")
            elif last == "a-statement-of-others":
                connection.execute(KEYS)
            if last != "the-pipeline":
                sleep(2)
                driver.rows(connection, "SELECT 1")
        sleep(2)
        driver.rows(connection, "SELECT 1")

    with open_ledger(database_url) as ledger, ledger.engine.connect() as connection:
        connection.begin()
        with pytest.raises(DBAPIError) as lost:
            frozen(connection)
        assert is_lost(lost.value)
