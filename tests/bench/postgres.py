"""The same ledger on Postgres, with fsync and synchronous_commit on: what an event costs the program and the server, beside SQLite.

Costs are processor time, so that a busy machine does not count; the server's is told where Linux tells it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import make_url

from tests.bench import task
from tests.bench.figures import Figure, at_most, figure, ratios
from tests.bench.task import Result
from tests.bench.workbench import Workbench
from tests.servers import running_postgres

SETTINGS: Final = {"shared_buffers": "256MB", "max_wal_size": "2GB"}
TICKS: Final = os.sysconf("SC_CLK_TCK")
PROCESSES: Final = Path("/proc")


def figures(bench: Workbench) -> Iterator[Figure]:
    """Processor time an event: of a file, and of batches as a worker takes them, without deciding and with."""
    _, events = bench.stream()
    with running_postgres(SETTINGS) as server:

        def measured(name: str) -> Result:
            with server.database() as url:
                return _run(bench, name, url, _server_time)

        rounds = [
            (measured("ingest-at"), _run(bench, "ingest-at", task.url(bench.database("beside"))), measured("take-at"))
            for _ in range(bench.sizes.runs)
        ]
    ours, sqlite, taken = ([one[at]["cpu"] for one in rounds] for at in range(3))
    size: dict[str, Any] = {"events": events}
    yield figure("postgres_ingest", "µs of the program an event", [_micro(s, events) for s in ours], at_most(100), **size)
    yield figure("postgres_to_sqlite", "times the processor time of the program", ratios(ours, sqlite), **size)
    yield figure("postgres_take", "µs of the program an event", [_micro(s, events) for s in taken], at_most(100), **size, batch=task.TAKEN)
    for name, at in (("postgres_ingest_server", 0), ("postgres_take_server", 2)):
        yield figure(name, "µs of the server an event", [_micro(one[at]["server"], events) for one in rounds], **size)


def _micro(seconds: float, events: int) -> float:
    return seconds / events * 1_000_000


def _run(bench: Workbench, name: str, url: str, server: Callable[[str], float] = lambda _: 0.0) -> Result:
    """A task on the database of the URL, with the processor time that its server took meanwhile."""
    stream, events = bench.stream()
    named = bench.folder / "url"
    named.write_text(url, encoding="utf-8")
    before = server(url)
    done = task.run(name, named, stream)
    if done["accepted"] + done["duplicates"] != events:
        raise RuntimeError(f"of {events} events the run took {done}: the figures would say nothing")
    return {**done, "server": server(url) - before}


def _server_time(url: str) -> float:
    """Processor seconds of the server and of its sessions, the ended ones too; 0 where it is no process of this machine."""
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        mine = _stat(connection.info.backend_pid)
    if not mine:
        return 0.0
    head = int(mine[1])
    alive = [
        stat for entry in PROCESSES.iterdir() if entry.name.isdigit() and len(stat := _stat(int(entry.name))) > 1 and int(stat[1]) == head
    ]
    return (sum(map(int, _stat(head)[11:15])) + sum(int(tick) for stat in alive for tick in stat[11:13])) / TICKS


def _stat(process: int) -> list[str]:
    """The fields of a process after its name: state, parent, …; none where there is no such process."""
    try:
        return (PROCESSES / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
