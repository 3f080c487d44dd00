"""Work measured in a process of its own, so that memory and caches are those of one run: `python -m tests.bench.task NAME FILE…`.

A task prints one JSON object: `seconds` without the start of the process and its imports, `peak` in bytes, and what it did.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from tests.bench.machine import peak_bytes

ROOT: Final = Path(__file__).parents[2]
BATCH: Final = 20_000
TAKEN: Final = 1_000
"""Events of a batch as a worker takes them."""
Result = dict[str, Any]


def run(name: str, *files: Path) -> Result:
    """Have a task done by a fresh process; RuntimeError with what it said where it fails."""
    command = [sys.executable, "-m", "tests.bench.task", name, *map(str, files)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the task {name} failed:\n{done.stderr}")
    found: Result = json.loads(done.stdout)
    return found


def url(database: Path) -> str:
    """The address of a database file."""
    return f"sqlite:///{database}"


def ingest(database: Path, stream: Path) -> Result:
    """Take a stream in, from opening the ledger to closing it."""
    from ledger import open_ledger

    start = perf_counter()
    with open_ledger(url(database)) as ledger:
        summary = ledger.ingest(_inputs(stream))
    return {"seconds": perf_counter() - start, **summary._asdict()}


def ingest_at(url: Path, stream: Path) -> Result:
    """Take a stream in at the database whose URL a file holds; `cpu` are this process's seconds."""
    from ledger import open_ledger

    with open_ledger(url.read_text(encoding="utf-8")) as ledger:
        rules = ledger.rulebook.id
        start = process_time()
        summary = ledger.ingest(_inputs(stream))
        return {"cpu": process_time() - start, "rules": rules, **summary._asdict()}


def take_at(url: Path, stream: Path) -> Result:
    """Take a stream in by batches, as a worker does, and leave the deciding to others; `cpu` are this process's seconds."""
    from ledger import Summary, open_ledger

    total, inputs = Summary(), _inputs(stream)
    with open_ledger(url.read_text(encoding="utf-8")) as ledger:
        rules = ledger.rulebook.id
        start = process_time()
        while batch := list(islice(inputs, TAKEN)):
            total += Summary.of(ledger.take(ledger.read(batch)))
        return {"cpu": process_time() - start, "rules": rules, **total._asdict()}


def calibrate(database: Path, stream: Path) -> Result:
    """The least that could be done: each line parsed and inserted, in batches of the ledger's size and with its safety."""
    import sqlite3

    start = perf_counter()
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, id TEXT, raw BLOB)")
    with stream.open("rb") as file:
        for number, line in enumerate(file):
            if number % BATCH == 0:
                connection.execute("COMMIT" if connection.in_transaction else "SELECT 1")
                connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO lines VALUES (?, ?, ?)", (number, json.loads(line)["id"], line))
    connection.execute("COMMIT")
    connection.close()
    return {"seconds": perf_counter() - start}


def verify(database: Path) -> Result:
    """Recompute a ledger and compare."""
    from ledger import open_ledger
    from ledger.verify import count

    with open_ledger(url(database), create=False) as ledger:
        months = count(ledger.engine)
        start = perf_counter()
        differences = ledger.verify()
        seconds = perf_counter() - start
    return {"seconds": seconds, "patient_months": months, "differences": len(differences)}


def plan(database: Path, rules: Path) -> Result:
    """Plan a replay under the rules of a folder."""
    return _planned(database, rules, everything=False)


def plan_all(database: Path, rules: Path) -> Result:
    """The same with everything decided."""
    return _planned(database, rules, everything=True)


def _planned(database: Path, rules: Path, *, everything: bool) -> Result:
    import resource

    from ledger import plans
    from ledger.database import connect
    from ledger.plan_parts import Scope
    from ledger.planning import make
    from ledger.rules import load

    start = perf_counter()
    raw = make(connect(url(database), create=False), load(rules), Scope(), everything=everything)
    seconds = perf_counter() - start
    document = plans.parse(raw).document
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    told = {name: document[name] for name in ("digest", "evaluated")}
    return {"seconds": seconds, "changes": len(document["changes"]), "peak_all": peak_bytes() + 2 * children, **told}


def peer(database: Path, entries: Path) -> Result:
    """The peer's totals, one save an entry."""
    from tests.bench.peer_totals import keep

    return keep(database, entries, together=1)


def peer_batches(database: Path, entries: Path) -> Result:
    """The peer's totals, 500 entries a save."""
    from tests.bench.peer_totals import keep

    return keep(database, entries, together=500)


def _inputs(stream: Path) -> Iterator[tuple[str, bytes]]:
    with stream.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield f"{stream.name}:{number}", line.rstrip(b"\n")


TASKS: Final[dict[str, Callable[..., Result]]] = {
    task.__name__.replace("_", "-"): task for task in (ingest, ingest_at, take_at, calibrate, verify, plan, plan_all, peer, peer_batches)
}


if __name__ == "__main__":
    print(json.dumps({**TASKS[sys.argv[1]](*map(Path, sys.argv[2:])), "peak": peak_bytes()}))
