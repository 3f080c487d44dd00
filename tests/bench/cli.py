"""Whole processes as a shell starts them: `caremonth --help` and `caremonth explain` on a small ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from ledger import open_ledger
from tests.bench import task
from tests.bench.figures import Figure, at_most, figure
from tests.bench.task import url
from tests.bench.workbench import Workbench, write


def figures(bench: Workbench) -> Iterator[Figure]:
    """Wall times from start to end, after one start that is not counted; beside them that of an empty Python."""
    program = Path(sys.executable).with_name("caremonth")
    if not program.exists():
        yield {"figure": "cli", "skipped": "the program is not installed beside this Python; `make setup` installs it"}
        return
    database, arguments = _small(bench)
    times = bench.sizes.processes
    yield figure("empty_python", "s", _wall([sys.executable, "-c", ""], times))
    yield figure("help", "s", _wall([str(program), "--help"], times), at_most(0.4))
    explain = [str(program), "--db", url(database), "explain", *arguments]
    yield figure("explain", "s", _wall(explain, times), at_most(0.6))
    yield figure("explain_json", "s", _wall([*explain, "--json"], times), at_most(0.6))


def _small(bench: Workbench) -> tuple[Path, list[str]]:
    """A ledger of a dozen patients, and the patient-month in it that has most lines."""
    stream, database = bench.folder / "small.jsonl", bench.database("small")
    write(stream, 12, 2, 2)
    task.run("ingest", database, stream)
    with open_ledger(url(database)) as ledger:
        lines = Counter((row["tenant"], row["patient_id"], row["month"]) for row in ledger.lines())
    tenant, patient, month = max(sorted(lines), key=lambda one: lines[one])
    return database, [tenant, patient, month]


def _wall(command: list[str], times: int) -> list[float]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAREMONTH_")}
    found = []
    for _ in range(times + 1):
        start = perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        found.append(perf_counter() - start)
    return found[1:] or found  # the tiny size starts a program once
