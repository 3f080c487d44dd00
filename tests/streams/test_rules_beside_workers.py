"""Other rules put in force by command while two workers take entries in: each entry is decided once, by the rules of its month."""

import json
from pathlib import Path

from tests.ledger.live import PATIENTS, addons, base, due, more, sets
from tests.ledger.other_rules import addon_of_20_minutes, book, folder_of_20_minutes, packaged, rules_of
from tests.streams.plant import Plant

MARCH = ("--tenant", "acme", "--from", "2026-03", "--to", "2026-03")
WORD = ("--by", "pat", "--reason", "the increment was wrong")


def test_rules_change_beside_two_workers(plant: Plant, tmp_path: Path) -> None:
    """Given two workers and entries on their way, when March gets other rules and loses them, then none is missed, none under two sets."""
    rules, file = folder_of_20_minutes(tmp_path / "rules"), str(tmp_path / "plan.json")
    twenty = book(addon_of_20_minutes)
    plant.send(base())
    for name in ("one", "two"):
        plant.worker(name)
    plant.relay()
    plant.drained()
    run(plant, "--rules", str(rules), "replay", "plan", *MARCH, "--out", file)
    entries = more()
    plant.send(entries[: PATIENTS // 2])
    run(plant, "replay", "apply", file, *WORD, "--even-if-moved")
    plant.send(entries[PATIENTS // 2 :])
    plant.drained()
    stands(plant, {"2026-03": {1}, "2026-04": {2}}, rules_of(plant.ledger).name(twenty.digest))
    run(plant, "replay", "revert", file, *WORD)
    plant.drained()
    stands(plant, {"2026-03": {2}, "2026-04": {2}}, packaged().id)
    plant.reconciled()


def run(plant: Plant, *words: str) -> None:
    """A command that succeeds."""
    done = plant.command(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def stands(plant: Plant, wanted: dict[str, set[int]], march: str) -> None:
    """Every patient comes to these add-ons; March stands under one set, April under the first."""
    assert due(plant.ledger) == 0
    assert addons(plant.ledger) == wanted
    months = {"2026-03": march, "2026-04": packaged().id}
    assert sets(plant.ledger) == {(f"P{n}", month): {name} for n in range(PATIENTS) for month, name in months.items()}
    assert plant.ledger.verify() == []
