"""The connection to Postgres breaks at any moment, or the server restarts: the ledger goes on, and counts nothing twice."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, make_url

from domain.rulebook import Rulebook
from ledger import Ledger, LedgerError, Summary, open_ledger
from ledger.rules import store
from tests.ledger.crowd import crowd, fed, figures, write
from tests.ledger.feed import ingest
from tests.servers import Postgres


def lines_of(stories: range, closes: bool = False) -> list[bytes]:
    return [json.dumps(event).encode() for event in crowd(stories, closes)]


def at_statements(ledger: Ledger, gaps: list[int], act: Callable[[], object]) -> list[Any]:
    """Act before a statement is sent, after so many others, gap by gap; what came of it, in a list that grows."""
    left: list[int] = [*gaps]
    done: list[Any] = []

    @event.listens_for(ledger.engine, "before_cursor_execute")
    def _before(*_: object) -> None:
        if left and left[0] > 0:
            left[0] -= 1
        elif left:
            del left[0]
            done.append(act())

    return done


def test_sessions_ended_in_the_midst_of_their_work(postgres_server: Postgres, database_url: str, tmp_path: Path) -> None:
    """An administrator ends every session again and again; each event is told to be new exactly once."""
    lines, dice = lines_of(range(24), closes=True), Random(7)
    with open_ledger(database_url) as ledger:
        gaps = [dice.randint(1, 60) for _ in range(12)]
        ended = at_statements(ledger, gaps, lambda: end_sessions(postgres_server, database_url))
        distinct = len({(one["source"], one["id"]) for one in map(json.loads, lines)})
        assert ingest(ledger, lines, 20) == Summary(distinct, len(lines) - distinct, 0)
        assert len(ended) == len(gaps)
        assert 0 not in ended
        assert ledger.verify() == []
        with open_ledger("sqlite://") as alone:
            fed(alone, write(map(json.loads, lines), tmp_path / "all.jsonl"), 20)
            assert figures(ledger) == figures(alone)


def test_a_connection_that_breaks_while_a_new_ledger_takes_its_rules_on(
    postgres_server: Postgres, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the session ends amid the first transaction there is, then it is done anew, and the rules are there once."""
    breaks = iter([postgres_server])

    def stored(connection: Connection, rulebook: Rulebook) -> None:
        for server in breaks:
            assert end_sessions(server, database_url) > 0
        store(connection, rulebook)

    monkeypatch.setattr("ledger.rules.store", stored)
    with open_ledger(database_url) as ledger:
        ledger.require_rules()
        assert [row.digest for row in ledger.rules.rows] == [ledger.rulebook.digest]
    assert next(breaks, None) is None


def end_sessions(server: Postgres, url: str) -> int:
    """End the sessions of a database; how many there were."""
    plain = server.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        return len(connection.execute(query, [make_url(url).database]).fetchall())


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_a_server_that_goes_and_comes_back(stoppable_postgres: Postgres, how: str) -> None:
    """It goes a moment after a statement was sent, so that it may be anywhere in its work."""
    lines, dice = lines_of(range(16)), Random(3)

    def go() -> None:
        sleep(dice.uniform(0, 0.02))
        if how == "restart":
            stoppable_postgres.switch.restart()
        else:
            stoppable_postgres.switch.kill()
            stoppable_postgres.switch.start()

    with stoppable_postgres.database() as url, open_ledger(url) as ledger, ThreadPoolExecutor(1) as pool:
        gone = at_statements(ledger, [40, 150], lambda: pool.submit(go))
        distinct = len({(one["source"], one["id"]) for one in map(json.loads, lines)})
        assert ingest(ledger, lines, 10) == Summary(distinct, len(lines) - distinct, 0)
        assert [one.result() for one in gone] == [None, None]
        assert ledger.verify() == []


def test_a_server_that_does_not_come_back_is_told_in_a_sentence(stoppable_postgres: Postgres) -> None:
    with stoppable_postgres.database() as url, open_ledger(f"{url}?timeout=1") as ledger:
        ledger.ingest([])
        stoppable_postgres.switch.stop()
        try:
            with pytest.raises(LedgerError, match="refused") as gone:
                ledger.ingest([("lost", line) for line in lines_of(range(1))])
            assert "\n" not in str(gone.value)
        finally:
            stoppable_postgres.switch.start()
        assert Summary.of(ledger.take(ledger.read([("again", lines_of(range(1))[0])]))).accepted == 1
