"""Domain and ledger are compiled where that can be done, and decide the same; where it cannot, that is said and nothing fails."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import domain
import ledger
from domain.compiled import PURE, digest, is_pure, place, stamped
from tools import compile as compiling
from tools.tree import ROOT

ROOMS = {"domain": domain.COMPILED, "ledger": ledger.COMPILED}
"""Whether this run has them compiled."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The domain's sources elsewhere, not compiled."""
    shutil.copytree(ROOT / "domain", tmp_path / "domain", ignore=shutil.ignore_patterns("__compiled__", "__pycache__"))
    return tmp_path / "domain"


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_compiled_is_there(room: str) -> None:
    assert set(compiling.MODULES[room]) < {path.stem for path in (ROOT / room).glob("*.py")}


@pytest.mark.parametrize("room", ROOMS)
def test_this_run_has_the_form_that_was_made(room: str) -> None:
    made_of = digest(ROOT / room, *(ROOT / below for below in compiling.BELOW[room]))
    made = stamped(place(ROOT / room))[:1] == (made_of,)
    assert ROOMS[room] is (made and not is_pure())


@pytest.mark.parametrize("asked", [{PURE: "1"}, {}])
def test_the_version_tells_which_form_runs(asked: dict[str, str]) -> None:
    command = [sys.executable, "-m", "caremonth", "--version"]
    told = subprocess.run(command, cwd=ROOT, env=os.environ | asked, capture_output=True, check=True, text=True).stdout
    forms = ", ".join(f"{room} {'compiled' if made and not asked else 'as Python'}" for room, made in ROOMS.items())
    assert told == f"caremonth {version('caremonth')}, running {forms}\n"


@pytest.mark.parametrize(("compiler", "reason"), [("no-such-compiler", "there is no C compiler"), ("false", "does not find Python.h")])
def test_without_a_c_compiler_one_line_says_so(package: Path, compiler: str, reason: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tools.compile", package],
        cwd=ROOT,
        env=os.environ | {"CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("domain runs as Python")
    assert reason in run.stdout
    assert run.stdout.count("\n") == 1
    assert not (package / "__compiled__").exists()


def test_what_cannot_be_compiled_is_told_and_left_out(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiling, "_missing", lambda: None)
    monkeypatch.setattr(compiling, "MODULES", {"domain": ("calendar",)})
    (package / "calendar.py").write_text("def _(: no Python\n", encoding="utf-8")
    assert compiling.main([str(package)]) == 0
    assert "compiling failed" in capsys.readouterr().out
    assert not place(package).exists()


def test_the_sources_decide_as_the_oracle_does() -> None:
    """The rest of this run has the compiled modules where they were made; the same tests, and the scenarios, hold of the sources."""
    tests = ("tests/test_scenarios.py", "tests/properties/test_oracle_agreement.py", "tests/properties/test_invariants.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    run = subprocess.run(command, cwd=ROOT, env=os.environ | {PURE: "1"}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:]
