"""Two processes feed one ledger at once: both succeed, and it is as if one had done it."""

import json
from pathlib import Path

from ledger import open_ledger
from tests.ledger.crowd import adjusted, crowd, fed, figures, start, write


def test_two_halves_at_once_are_one_whole(store: str, tmp_path: Path) -> None:
    """The crowd's patients and performers are in both halves, and the ledger is created by both."""
    events = crowd(range(40))
    files = [write(events[half::2], tmp_path / f"half-{half}.jsonl") for half in (0, 1)]
    processes = [start(store, file, 20) for file in files]
    answers = [process.communicate() for process in processes]
    assert [(process.returncode, complaint) for process, (_, complaint) in zip(processes, answers, strict=True)] == [(0, ""), (0, "")]
    summaries = [json.loads(told.splitlines()[-1].removeprefix("done ")) for told, _ in answers]
    distinct = len({(event["source"], event["id"]) for event in events})
    assert sum(accepted for accepted, _, _ in summaries) == distinct
    assert sum(sum(summary) for summary in summaries) == len(events)
    with open_ledger(store) as shared, open_ledger("sqlite://") as alone:
        fed(alone, write(events, tmp_path / "all.jsonl"))
        assert shared.verify() == []
        assert figures(shared) == figures(alone)
        conflicts = [{alert["event"] for alert in one.alerts() if alert["kind"] == "time_conflict"} for one in (shared, alone)]
        assert conflicts[0] | conflicts[1], "the crowd has no double bookings to share"


def test_closes_among_two_writers_add_up(store: str, tmp_path: Path) -> None:
    """Who comes first decides how a closed month is split, never what it comes to."""
    events = crowd(range(100, 125), closes=True)
    files = [write(events[half::2], tmp_path / f"half-{half}.jsonl") for half in (0, 1)]
    processes = [start(store, file, 20) for file in files]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    with open_ledger(store) as shared, open_ledger("sqlite://") as alone:
        fed(alone, write(events, tmp_path / "all.jsonl"))
        assert shared.verify() == []
        totals = []
        for ledger in (shared, alone):
            sums = {line: units for line, (units, _) in adjusted(ledger).items()}
            for line in ledger.lines():
                if line["status"] in {"ready", "awaiting_close", "closed"}:
                    sums[line["line_id"]] = sums.get(line["line_id"], 0) + line["units"]
            totals.append({line: units for line, units in sums.items() if units})
        assert totals[0] == totals[1]
