"""The same totals kept by a peer, the `eventsourcing` library, over a slice of the stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.calendar import month_days
from domain.rulebook import Rulebook
from ledger import Ledger, open_ledger
from tests.bench import task
from tests.bench.figures import Figure, figure, ratios
from tests.bench.task import Result, url
from tests.bench.workbench import Workbench

TIME: Final = "care.time.logged.v1"
NEVER: Final = 1 << 40


class Told(NamedTuple):
    """One entry for the peer: its accumulator, the seconds that fill it, the entry's identity and what counts of it."""

    key: str
    threshold: int
    entry: str
    seconds: int


def figures(bench: Workbench) -> Iterator[Figure]:
    """Ours on the slice with everything in it, the peer one save an entry and one save for many, and the ratios."""
    part, events, entries = _slice(bench)
    told = _told_file(bench, part, entries)
    rounds = [_round(bench, part, told) for _ in range(bench.sizes.runs)]
    ours, *theirs = ([one[at] for one in rounds] for at in range(3))
    size: dict[str, Any] = {"events": events, "time_entries": len(entries)}
    yield figure("peer_ours_slice", "events/s", [events / s for s in ours], **size)
    for name, seconds in zip(("peer", "peer_batches"), theirs, strict=True):
        yield figure(name, "time entries/s", [len(entries) / s for s in seconds], **size)
        rates = ratios([events / s for s in ours], [len(entries) / s for s in seconds])
        yield figure(f"ours_to_{name}", "times its events/s", rates, **size)
        yield figure(f"ours_to_{name}_time_entries", "times its time entries/s", ratios(seconds, ours), **size)


def _round(bench: Workbench, part: Path, told: Path) -> tuple[float, float, float]:
    """Seconds of our run and of the peer's two, one after the other."""
    ours: float = task.run("ingest", bench.database("slice"), part)["seconds"]
    return ours, _peer(bench, "peer", told), _peer(bench, "peer_batches", told)


def _slice(bench: Workbench) -> tuple[Path, int, dict[str, dict[str, Any]]]:
    """The stream up to enough time entries as a file, its number of lines, and those entries by identity, each once."""
    path = bench.folder / "slice.jsonl"
    entries: dict[str, dict[str, Any]] = {}
    number = 0
    with bench.stream()[0].open(encoding="utf-8") as stream, path.open("w", encoding="utf-8") as file:
        for number, line in enumerate(stream, 1):  # noqa: B007 the last number is the count
            file.write(line)
            event = json.loads(line)
            if event["type"] == TIME:
                entries.setdefault(f"{event['source']}|{event['id']}", event)
            if len(entries) == bench.sizes.peer_entries:
                break
    return path, number, entries


def _told_file(bench: Workbench, part: Path, entries: dict[str, dict[str, Any]]) -> Path:
    """What the peer is told, as a file; decided by a run of ours that is not timed."""
    database, path = bench.database("slice"), bench.folder / "told.json"
    task.run("ingest", database, part)
    path.write_text(json.dumps(_told(database, entries)), encoding="utf-8")
    return path


def _told(database: Path, entries: dict[str, dict[str, Any]]) -> list[Told]:
    """What each entry counts by our own decision, in the order the entries came in."""
    found: dict[str, list[Told]] = {}
    with open_ledger(url(database)) as ledger:
        for tenant, patient, month in sorted({place for event in entries.values() for place in _places(event)}):
            for one in _counted(ledger, tenant, patient, month):
                found.setdefault(one.entry, []).append(one)
    return [one for identity in entries for one in found.get(identity, ())]


def _places(event: dict[str, Any]) -> set[tuple[str, str, str]]:
    """The patient-months of an entry; the sample writes instants with the offset of their site."""
    return {(event["tenant"], event["subject"], event["data"][at][:7]) for at in ("start", "end")}


def _counted(ledger: Ledger, tenant: str, patient: str, month: str) -> Iterator[Told]:
    for program in ledger.explain(tenant, patient, month)["programs"]:
        key = "/".join((tenant, patient, month, program["program"], program["practitioner_id"]))
        threshold = _threshold(ledger.rulebook, month, program["program"], program["track"])
        counted: dict[str, int] = {row["event"]: 0 for row in program["excluded"]}
        for row in program["counted"]:
            counted[row["event"]] = counted.get(row["event"], 0) + row["seconds"]
        yield from (Told(key, threshold, entry, seconds) for entry, seconds in counted.items())


def _threshold(rulebook: Rulebook, month: str, program: str, track: str | None) -> int:
    bases = rulebook.at(month_days(month)[0]).programs[program].tracks[track].bases
    return bases[0].seconds if bases else NEVER


def _peer(bench: Workbench, name: str, told: Path) -> float:
    """One run of the peer in seconds; RuntimeError where its totals are not ours."""
    result: Result = task.run(name.replace("_", "-"), bench.database(name), told)
    totals: dict[str, int] = {}
    thresholds: dict[str, int] = {}
    for key, threshold, _, seconds in json.loads(told.read_text(encoding="utf-8")):
        totals[key] = totals.get(key, 0) + seconds
        thresholds[key] = threshold
    reached = sum(seconds >= thresholds[key] for key, seconds in totals.items())
    if (result["totals"], result["reached"]) != (totals, reached):
        raise RuntimeError("the peer's totals differ from ours: their speeds cannot be compared")
    return float(result["seconds"])
