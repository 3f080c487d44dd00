"""`replay plan` over a long history: everything decided, one family and one year, and the same history taken in anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from caremonth.sample import TENANT
from ledger.rule_files import PACKAGED
from tests.bench import task
from tests.bench.figures import Figure, at_least, at_most, figure, ratios
from tests.bench.workbench import Workbench, write

MONTHS: Final = 60
ASKED: Final = 200_000
"""Patient-months for which 15 seconds are asked."""
_MINUTES: Final = (
    "        - {{{span}, value: {value}, source: [CONTRACT-3.8], confidence: K, last_verified: 2026-11-22, legal_status: final}}\n"
)
YEAR: Final = (
    _MINUTES.format(span="from: 2023-01-01, to: 2024-12-31", value=15)
    + _MINUTES.format(span="from: 2025-01-01, to: 2025-12-31", value=20)
    + _MINUTES.format(span="from: 2026-01-01", value=15)
)
_PLACE: Final = "        - {from: 2023-01-01, value: 15, source: [CONTRACT-3.8, ICD10CP]"

_ORIGINALS: Final = {"first": f"{TENANT}/P-", "last": f"{TENANT}/P."}
_COPIES: Final = (
    """INSERT INTO patients SELECT replace(key, '/P-', :new), facts FROM patients WHERE key >= :first AND key < :last""",
    """INSERT INTO months SELECT replace(key, '/P-', :new), facts, state FROM months WHERE key >= :first AND key < :last""",
    """INSERT INTO lines SELECT :mark || line_id, replace(month_key, '/P-', :new), tenant, :mark || patient, month, program, practitioner,
       code, "window", status, revision, row, closed_units, closed_cents, closed_site, adjusted_units, adjusted_cents FROM lines
       WHERE month_key >= :first AND month_key < :last""",
    """INSERT INTO conflicts SELECT tenant, identity || :mark, other_identity, replace(patient_key, '/P-', :new), other_patient, performer,
       start, "end" FROM conflicts WHERE patient_key >= :first AND patient_key < :last""",
)


def figures(bench: Workbench) -> Iterator[Figure]:
    """Seconds and memory of plans, and how they compare."""
    stream = bench.folder / "history.jsonl"
    events = write(stream, bench.sizes.history_patients, MONTHS, bench.sizes.sites)
    base = bench.database("history")
    anew = task.run("ingest", base, stream)
    database = _multiplied(base, bench.database("copies"), bench.sizes.history_copies)
    other = _one_year(bench.folder / "rules")
    runs = range(min(bench.sizes.runs, 3))
    everything = [task.run("plan-all", database, other) for _ in runs]
    narrow = [task.run("plan", database, other) for _ in runs]
    months = everything[0]["evaluated"]
    if {run["digest"] for run in (*everything, *narrow)} != {everything[0]["digest"]}:
        raise RuntimeError("the plans differ: their speed says nothing")
    if not everything[0]["changes"]:
        raise RuntimeError("the plans change nothing: their speed says nothing")
    seconds = [run["seconds"] for run in everything]
    yield figure(
        "replay_plan", "patient-months/s", [months / run for run in seconds], at_least(ASKED / 15), patient_months=months, seconds=seconds
    )
    yield figure("replay_plan_peak_memory", "MB", [run["peak_all"] / 1e6 for run in everything], at_most(1_000))
    yield figure("replay_narrow_to_all", "times as fast", ratios(seconds, [run["seconds"] for run in narrow]), at_least(5))
    history = [events * bench.sizes.history_copies / run for run in seconds]
    yield figure("replay_history", "events/s", history)
    yield figure("replay_to_ingesting_anew", "times its events/s", [rate / (events / anew["seconds"]) for rate in history])


def _multiplied(base: Path, database: Path, copies: int) -> Path:
    """The ledger with each patient as often as asked, as far as a plan reads it: loaded in bulk, without its events."""
    shutil.copy(base, database)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM outbox")
        for number in range(1, copies):
            for statement in _COPIES:
                connection.execute(statement, {"new": f"/C{number:03}-P-", "mark": f"C{number:03}", **_ORIGINALS})
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
    return database


def _one_year(folder: Path) -> Path:
    """The packaged rules with another increment of G3003 in 2025."""
    shutil.copytree(PACKAGED, folder)
    file = folder / "cpm.yaml"
    text = file.read_text(encoding="utf-8")
    start = text.index(_PLACE)
    file.write_text(text[:start] + YEAR + text[text.index("\n", start) + 1 :], encoding="utf-8")
    return folder
