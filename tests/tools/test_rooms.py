"""The rooms: who may import whom, and that no room is left out of what is packaged, typed and layered."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.tree import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
ROOMS = {"domain", "ledger", "streams", "projections", "caremonth"}
IMPURE = {"io", "os", "random", "secrets", "time"} | {"asyncio", "multiprocessing", "threading"}  # the machine, and its clock
IMPURE |= {"logging", "socket", "sqlite3", "subprocess", "urllib"}
# typing_extensions is how pydantic reads a TypedDict before Python 3.12
PURE = (set(sys.stdlib_module_names) - IMPURE) | {"domain", "pydantic", "pydantic_core", "typing_extensions"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_every_package_is_a_room_and_every_room_is_packaged_typed_layered_and_measured() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tools", "tests"}
    layers = PROJECT["importlinter"]["contracts"][0]["layers"]
    assert packages == ROOMS
    assert set(PROJECT["hatch"]["build"]["targets"]["wheel"]["packages"]) == ROOMS
    assert set(PROJECT["mypy"]["files"]) == ROOMS | {"tools", "tests"}
    assert set(PROJECT["coverage"]["run"]["source"]) == ROOMS
    assert set(PROJECT["importlinter"]["root_packages"]) == ROOMS
    assert {room for layer in layers for room in layer.split(" | ")} == ROOMS


def test_arrows_go_one_way() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_COLOR": "1"})
    assert run.returncode == 0, run.stdout + run.stderr


def test_domain_imports_nothing_but_pydantic_and_what_is_pure_in_the_standard_library() -> None:
    foreign = {f"{path.name}: {name}" for path in (ROOT / "domain").rglob("*.py") for name in imported(path) if name not in PURE}
    assert foreign == {"compiled.py: os"}  # which looks for the compiled form, before anything is decided
