"""Compiled modules are used where they were made of the sources as they are, and nowhere else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import domain
from domain import compiled

PACKAGE = Path(domain.__file__).parent
PLACE = compiled.place(PACKAGE)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one module, and what would be compiled of it."""
    monkeypatch.delenv(compiled.PURE, raising=False)
    here = tmp_path / "domain"
    monkeypatch.setitem(sys.modules, f"{compiled.group(here)}__mypyc", ModuleType("made"))
    folder = compiled.place(here)
    folder.mkdir(parents=True)
    (here / "lines.py").write_text("SOURCE = 1\n", encoding="utf-8")
    compiled.stamp(folder, compiled.digest(here), "mypy")
    return here


def used(package: Path) -> bool:
    path = [str(package)]
    found = compiled.use(path)
    assert path == ([str(compiled.place(package)), str(package)] if found else [str(package)])
    return found


def test_modules_made_of_these_sources_are_used(package: Path) -> None:
    assert used(package)


def test_not_once_a_source_was_edited_until_it_reads_as_before(package: Path) -> None:
    source = package / "lines.py"
    before = source.read_bytes()
    source.write_text("SOURCE = 2\n", encoding="utf-8")
    assert not used(package)
    source.write_bytes(before)
    assert used(package)


@pytest.mark.parametrize("change", ["a module more", "a module less", "another name"])
def test_not_with_other_modules(package: Path, change: str) -> None:
    source = package / "lines.py"
    if change == "a module more":
        (package / "next.py").write_text("", encoding="utf-8")
    elif change == "a module less":
        source.unlink()
    else:
        source.rename(package / "line.py")
    assert not used(package)


def test_not_once_a_source_that_it_stands_on_was_edited(package: Path, tmp_path: Path) -> None:
    """Constants and layouts of what a package stands on are compiled into it."""
    below = tmp_path / "below"
    below.mkdir()
    (below / "facts.py").write_text("LONGEST = 1\n", encoding="utf-8")
    compiled.stamp(compiled.place(package), compiled.digest(package, below), "mypy")
    assert compiled.use([str(package)], below)
    (below / "facts.py").write_text("LONGEST = 2\n", encoding="utf-8")
    assert not compiled.use([str(package)], below)


def test_not_without_a_word_on_what_they_were_made_of(package: Path) -> None:
    (compiled.place(package) / "sources").unlink()
    assert not used(package)


@pytest.mark.parametrize(("value", "found"), [("1", False), ("yes", False), ("0", True), ("", True)])
def test_not_where_the_sources_are_asked_for(package: Path, monkeypatch: pytest.MonkeyPatch, value: str, found: bool) -> None:
    monkeypatch.setenv(compiled.PURE, value)
    assert used(package) is found


def test_not_where_they_cannot_be_loaded(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"{compiled.group(package)}__mypyc", None)
    assert not used(package)


def told(folder: Path, **more: str) -> str:
    """What a process says of the domain in a folder: whether it is compiled, where `decide` is, and a month's name."""
    code = "import domain, domain.calendar as c; print(domain.COMPILED, c.__file__.endswith('.py'), c.shift_month('2026-01', 1))"
    calm = {name: value for name, value in os.environ.items() if name != compiled.PURE}
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, env=calm | more, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_an_edited_source_runs_as_it_reads(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "domain")
    is_made = compiled.stamped(PLACE)[:1] == (compiled.digest(PACKAGE),)
    assert told(tmp_path) == f"{is_made} {not is_made} 2026-02"
    assert told(tmp_path, **{compiled.PURE: "1"}) == "False True 2026-02"
    source = tmp_path / "domain" / "calendar.py"
    source.write_text(source.read_text(encoding="utf-8").replace("index % 12 + 1", "index % 12 + 2"), encoding="utf-8")
    assert told(tmp_path) == "False True 2026-03"
