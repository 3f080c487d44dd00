"""The connection to Postgres breaks at any moment, or the server restarts: the ledger goes on, and counts nothing twice."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from threading import Thread
from time import sleep

import psycopg
import pytest
from sqlalchemy import Connection, make_url

from domain.rulebook import Rulebook
from ledger import LedgerError, Summary, open_ledger
from ledger.rules import store
from tests.ledger.crowd import crowd, fed, figures, write
from tests.ledger.feed import ingest
from tests.servers import Postgres
from tests.servers.ports import free_port

Cut = Callable[[bytes], str]


def lines_of(stories: range, closes: bool = False) -> list[bytes]:
    return [json.dumps(event).encode() for event in crowd(stories, closes)]


def test_sessions_ended_in_the_midst_of_their_work(postgres_server: Postgres, database_url: str, tmp_path: Path) -> None:
    """An administrator ends every session again and again; each event is told to be new exactly once."""
    lines, dice = lines_of(range(24), closes=True), Random(7)
    with open_ledger(database_url) as ledger, ThreadPoolExecutor(1) as pool:
        feeding = pool.submit(ingest, ledger, lines, 20)
        ended = 0
        while not feeding.done():
            sleep(dice.uniform(0.02, 0.4))
            ended += end_sessions(postgres_server, database_url)
        distinct = len({(one["source"], one["id"]) for one in map(json.loads, lines)})
        assert ended > 3
        assert feeding.result() == Summary(distinct, len(lines) - distinct, 0)
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
    lines = lines_of(range(16))
    with stoppable_postgres.database() as url, open_ledger(url) as ledger, ThreadPoolExecutor(1) as pool:
        feeding = pool.submit(ingest, ledger, lines, 10)
        for _ in range(2):
            sleep(0.5)
            if how == "restart":
                stoppable_postgres.switch.restart()
            else:
                stoppable_postgres.switch.kill()
                stoppable_postgres.switch.start()
        distinct = len({(one["source"], one["id"]) for one in map(json.loads, lines)})
        assert feeding.result() == Summary(distinct, len(lines) - distinct, 0)
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


@pytest.mark.parametrize("arrives", [True, False], ids=["commit-arrives", "commit-is-lost"])
def test_a_commit_without_an_answer_is_looked_up(database_url: str, arrives: bool) -> None:
    """The line breaks at a COMMIT, before or after the server gets it: either way the input is taken in once, and told to be new."""
    broken = ["not yet"]

    def cut(sent: bytes) -> str:
        if b"COMMIT" not in sent or broken:
            return "pass"
        broken.append("now")
        return "deliver and break" if arrives else "break"

    line = lines_of(range(1))[0]
    with open_ledger(database_url) as ledger:
        assert ledger.rulebook.id
    with line_to(database_url, cut) as url, open_ledger(url) as ledger:
        assert ledger.rulebook.id
        broken.clear()
        assert Summary.of(ledger.take(ledger.read([("cut", line)]))) == (1, 0, 0)
        assert broken
        assert Summary.of(ledger.take(ledger.read([("cut", line)]))) == (0, 1, 0)


@contextmanager
def line_to(url: str, cut: Cut) -> Iterator[str]:
    """The URL by way of a line that asks `cut` of all that is sent to the server what becomes of it."""
    parsed = make_url(url)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listener:
        Thread(target=serve, args=(listener, (parsed.host, parsed.port), cut), daemon=True).start()
        yield parsed.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)


def serve(listener: socket.socket, server: tuple[str, int], cut: Cut) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        behind = socket.create_connection(server)
        Thread(target=carry, args=(behind, client, lambda _: "pass"), daemon=True).start()
        Thread(target=carry, args=(client, behind, cut), daemon=True).start()


def carry(source: socket.socket, target: socket.socket, cut: Cut) -> None:
    """Carry bytes until one side ends, or the line is cut."""
    try:
        while part := source.recv(65536):
            fate = cut(part)
            if fate != "break":
                target.sendall(part)
            if fate != "pass":
                break
    except OSError:
        return
    finally:
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
