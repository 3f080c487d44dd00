"""The tour runs, tells its story, says nothing untrue about sums, and ends with commands that work as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from caremonth.demo_export import total
from caremonth.demo_rules import proposed_changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def tour(folder: Path) -> str:
    ran = subprocess.run([sys.executable, "-m", "caremonth", "demo"], cwd=folder, capture_output=True, check=True, timeout=120)
    assert ran.stderr == b""
    assert list(folder.iterdir()) == []
    return ran.stdout.decode()


def test_the_tour_tells_the_whole_story(tour: str) -> None:
    chapters = re.findall("^== (.*)", tour, re.MULTILINE)
    assert len(chapters) == 9
    for part in (
        "03 Mar 10:35 EST  threshold_reached    P-maple",
        "at_risk",
        "all sites",
        "before_consent",
        "closed",
        "+$31.73",
        "no difference.",
        "P-maple 2026-03 G3003: 3 → 2 units, $95.19 → $63.46, as adjustment",
        "Report and return by 2026-06-09",
    ):
        assert part in tour
    assert "NOT the same" not in tour


def test_a_pipe_gets_plain_text(tour: str) -> None:
    assert all(character == "\n" or character.isprintable() for character in tour)


def test_the_commands_at_the_end_work_as_printed(tour: str, folder: Path) -> None:
    printed = tour.partition("== What to try next\n")[2].splitlines()
    assert len(printed) == 7
    ran = subprocess.run(["sh", "-e"], input="\n".join(printed), cwd=folder, capture_output=True, check=False, timeout=120, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "patient-months" in ran.stdout


def test_sums_leave_out_what_has_no_price() -> None:
    assert total(["1.10", None, "", "-0.10"]) == "1.00"
    assert total([]) == "0.00"


def test_what_is_proposed_names_value_date_and_source() -> None:
    changes = list(proposed_changes("99457"))
    assert any(change.startswith("employment from 2027-01-01: nothing → ") and change.endswith("]") for change in changes)
    assert list(proposed_changes("G3002")) == []
