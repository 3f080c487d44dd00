"""The domain is compiled where that can be done, and decides the same; where it cannot, that is said and nothing fails."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import domain
from domain.compiled import PURE, digest, is_pure, place, stamped
from tools import compile as compiling
from tools.tree import ROOT

MODULES = {path.stem for path in (ROOT / "domain").glob("*.py")}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The domain's sources elsewhere, not compiled."""
    shutil.copytree(ROOT / "domain", tmp_path / "domain", ignore=shutil.ignore_patterns("__compiled__", "__pycache__"))
    return tmp_path / "domain"


def test_what_is_compiled_is_there() -> None:
    assert set(compiling.MODULES) < MODULES


def test_this_run_has_the_form_that_was_made() -> None:
    made = stamped(place(ROOT / "domain"))[:1] == (digest(ROOT / "domain"),)
    assert domain.COMPILED is (made and not is_pure())


@pytest.mark.parametrize(("asked", "form"), [({PURE: "1"}, "as Python"), ({}, "compiled" if domain.COMPILED else "as Python")])
def test_the_version_tells_which_form_runs(asked: dict[str, str], form: str) -> None:
    command = [sys.executable, "-m", "caremonth", "--version"]
    told = subprocess.run(command, cwd=ROOT, env=os.environ | asked, capture_output=True, check=True, text=True).stdout
    assert told == f"caremonth {version('caremonth')}, the domain running {form}\n"


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
    monkeypatch.setattr(compiling, "MODULES", ("calendar",))
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
