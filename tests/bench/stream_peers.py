"""Quix Streams exactly-once and plain Faust beside the pipeline, at a far simpler job on the topic of time entries it has read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from domain.rulebook_vocabulary import vocabulary
from ledger.rule_files import PACKAGED, load_rulebook
from streams.sending import message_of
from streams.topics import TIME_LOG
from tests.bench.figures import Figure, figure, rounded
from tests.bench.installation import PATIENCE, Installation, environment
from tests.servers.jars import cache

QUIX: Final = "quixstreams==3.28.1"
LONGEST: Final = 60.0
"""Seconds a peer may run; its rate is that of what it took in them."""
INSTALLING: Final = 300.0
PROGRAMS: Final = Path(__file__).with_name("peers")


class NoPeerError(Exception):
    """A peer that cannot be had or does not end; the text says why."""


def figures(one: Installation, stream: Path, ours: float) -> Iterator[Figure]:
    """Records a second of each, and ours to theirs: our events, decided, against records whose seconds were added up."""
    records = _time_entries(one, stream)
    for name, python, program in (("quix", _quix, "quix.py"), ("faust", lambda: sys.executable, "faust_tables.py")):
        try:
            found = _measured(one, python(), program, records)
        except NoPeerError as why:
            yield {"figure": f"kafka_peer_{name}", "skipped": str(why)}
            continue
        theirs = found["records"] / found["seconds"]
        yield figure(
            f"kafka_peer_{name}",
            "records/s",
            [theirs],
            records=found["records"],
            cpu_us=rounded(found["cpu"] * 1_000_000 / found["records"]),
        )
        yield figure(f"kafka_ours_to_{name}", "times its records/s", [ours / theirs])


def _time_entries(one: Installation, stream: Path) -> int:
    words, topic = vocabulary(load_rulebook(PACKAGED)), one.layout.name(TIME_LOG)
    with stream.open("rb") as lines:
        return sum(message_of(line.rstrip(b"\n"), one.layout, words).topic == topic for line in lines)


def _measured(one: Installation, python: str, program: str, records: int) -> dict[str, Any]:
    out = f"{one.group}.{Path(program).stem}"
    one.servers.kafka.create_topics({out: one.layout.partitions or 1})
    folder = one.folder / out
    folder.mkdir()
    asked = [one.servers.kafka.bootstrap, one.layout.name(TIME_LOG), out, str(records), str(LONGEST), str(folder)]
    try:
        done = subprocess.run(
            [python, "-W", "ignore", str(PROGRAMS / program), *asked],
            cwd=folder, env=environment(), check=False, capture_output=True, text=True, timeout=LONGEST + PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoPeerError(f"it had not ended after {LONGEST + PATIENCE:.0f} s") from None
    if done.returncode or not done.stdout.strip():
        raise NoPeerError(f"it ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not found["records"]:
        raise NoPeerError(f"it took no record in {LONGEST:.0f} s")
    return found


def _quix() -> str:
    """The Python of a virtual environment with Quix Streams, made when it is not there yet: it pins libraries that ours has otherwise."""
    folder = cache() / QUIX.replace("==", "-")
    python, ready = folder / "bin" / "python", folder / "installed"
    if not ready.exists():
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [str(python), "-m", "pip", "install", "--quiet", QUIX]):
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALLING)
            except subprocess.TimeoutExpired:
                raise NoPeerError(f"{QUIX} was not installed after {INSTALLING:.0f} s") from None
            if done.returncode:
                raise NoPeerError(f"{QUIX} could not be installed: {done.stderr.strip()[-300:]}")
        ready.touch()
    return str(python)
