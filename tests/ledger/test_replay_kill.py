"""SIGKILL at any moment of a plan and of its being carried out: the same command again completes what was begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from time import sleep

from ledger import open_ledger, plans
from ledger.plan_parts import Scope
from ledger.planning import make
from tests.ledger.other_rules import FIVE, book, ledger_under, rules_of
from tests.ledger.replays import STORIES, differing, feed, figures, stories, sums

KILLS = int(os.environ.get("CAREMONTH_TEST_KILLS", "4"))
EVENTS = stories((*STORIES, *range(1000, 1000 + 2 * KILLS)))


def run(what: str, url: str, file: Path) -> "subprocess.Popen[str]":
    """The process."""
    command = [sys.executable, "-m", "tests.ledger.replay_run", what, url, str(file)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def killed(what: str, url: str, file: Path, dice: Random) -> bool:
    """Kill it a moment after one of its first steps; whether it was still at work."""
    process = run(what, url, file)
    assert process.stdout is not None
    for _ in range(dice.randint(1, 4)):
        process.stdout.readline()
    sleep(dice.random() * 0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def finished(what: str, url: str, file: Path) -> None:
    """Let it come to its end."""
    process = run(what, url, file)
    _, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")


def test_a_plan_that_is_killed_again_and_again_is_the_plan(tmp_path: Path) -> None:
    """Given a plan killed some parts on each time, when it is left in peace, then its bytes are those of a plan never disturbed."""
    url, file, dice = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "plan.json", Random(1)
    with open_ledger(url) as ledger:
        feed(ledger, EVENTS)
        whole = make(ledger.engine, book(*FIVE.values()), Scope(), workers=1)
        assert len(plans.parse(whole).changes) > 40
    assert sum(killed("plan", url, file, dice) for _ in range(KILLS)) > KILLS // 2
    finished("plan", url, file)
    assert file.read_bytes() == whole
    assert not file.with_name("plan.json.partial").exists()


def test_a_plan_that_is_killed_while_it_is_carried_out_is_carried_out(store: str, tmp_path: Path) -> None:
    """Given an apply killed some patients on each time, then whoever comes next goes on, and all is as under the other rules, once."""
    file, other, dice = tmp_path / "plan.json", book(*FIVE.values()), Random(2)
    with open_ledger(store) as ledger:
        feed(ledger, EVENTS)
        file.write_bytes(make(ledger.engine, other, Scope(), workers=1))
    assert sum(killed("apply", store, file, dice) for _ in range(KILLS)) > KILLS // 2
    finished("apply", store, file)
    with open_ledger(store) as ledger, ledger_under(other) as under:
        assert ledger.verify() == []
        assert differing(sums(ledger), sums(feed(under, EVENTS))) == {}
        assert {row["rule_set"] for row in figures(ledger)} == {rules_of(ledger).name(other.digest)}
        assert [row.plan for row in rules_of(ledger).rows[1:]] == [plans.read(file).digest]
