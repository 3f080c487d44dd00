"""`python -m tools.compile [FOLDER]`: what decides and what takes events in compiled by mypyc, where a C compiler works; else it goes on
running as Python.

FOLDER is one of the packages, by default all of this repository. What was made of the same sources is left alone. Ends with 0 either way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import source_hash
from pathlib import Path
from typing import Final

from domain.compiled import PURE, digest, group, place, stamp, stamped
from tools.tree import ROOT

MODULES: Final = {
    "domain": (
        "alerts", "allocation", "audit", "calendar", "changes", "context", "decide", "devices", "exclusions", "explanation",
        "facts", "histories", "holding", "instants", "lines", "progress", "records", "recount", "registry", "replay", "roster", "rulebook",
        "rulebook_stitch", "settlement", "spans", "standing", "sums", "tally",
    ),
    "ledger": (
        "accepting", "arrivals", "booking", "draining", "histories", "intake", "locks", "marks", "outbox", "packed", "positions",
        "rebuilding", "registrations", "settling", "workspace",
    ),
}  # fmt: skip
"""Of the domain all but what reads rule files and events, which waits for pydantic and not for Python; of the ledger what is done with
each event. What compiled classes are inherited by is compiled with them."""
BELOW: Final[dict[str, tuple[str, ...]]] = {"domain": (), "ledger": ("domain",)}
"""What packages stand on."""
_TYPES: Final = """
[mypy]
follow_imports = silent
[mypy-sqlalchemy.*]
follow_imports = skip
[mypy-psycopg.*]
follow_imports = skip
"""
"""Compiled code checks types, and rows of a database are not the tuples that SQLAlchemy's types say they are."""
_PATIENCE: Final = 600
_AGAIN: Final = "python -m tools.compile"
_MAKE: Final = """
import sys
from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.command.build_ext import build_ext
work, group, *arguments = sys.argv[1:]
command = build_ext(Distribution({"ext_modules": mypycify(
    arguments, opt_level="1", debug_level="0", target_dir=f"{work}/c", group_name=group,
)}))
command.build_lib, command.build_temp, command.parallel = f"{work}/lib", f"{work}/o", 2
command.ensure_finalized()
command.run()
"""
"""By -O1: -O2 takes half as long again and brings nothing that could be measured."""


def main(arguments: list[str]) -> int:
    """Compile, unless it is done."""
    packages = [Path(one).resolve() for one in arguments] or [ROOT / name for name in MODULES]
    waiting = {package: made for package in packages if stamped(place(package)) != (made := _made(package))}
    if not waiting:
        return 0
    missing = _missing()
    if missing is None:
        names = " and ".join(package.name for package in waiting)
        print(f"Compiling {names}, once for these sources; this takes about a minute. {PURE}=1 does without.", flush=True)
    with ThreadPoolExecutor(len(waiting)) as several:
        told = several.map(lambda one: missing or _compiled(one, place(one), waiting[one]), waiting)
    for package, reason in zip(waiting, told, strict=True):
        if reason is not None:
            print(f"{package.name} runs as Python, about half as fast: {reason}. Once that is mended: {_AGAIN}", flush=True)
    return 0


def _made(package: Path) -> tuple[str, str]:
    """What compiled modules have to be made of, and by."""
    below = [package.parent / name for name in BELOW[package.name]]
    return digest(package, *below), f"mypy {version('mypy')} {source_hash(Path(__file__).read_bytes()).hex()}"


def _missing() -> str | None:
    """What a C compiler lacks, in words."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    if shutil.which(compiler[0]) is None:
        return f"there is no C compiler {compiler[0]!r}"
    command = [*compiler, "-fsyntax-only", "-x", "c", f"-I{sysconfig.get_path('include')}", "-"]
    tried = subprocess.run(command, input="#include <Python.h>\n", text=True, capture_output=True, check=False)  # noqa: S603  Python's own
    return None if tried.returncode == 0 else "the C compiler does not find Python.h (Debian and Ubuntu: apt install python3-dev)"


def _compiled(package: Path, folder: Path, made: tuple[str, str]) -> str | None:
    """Compile into the folder, all or nothing; what went wrong, in words."""
    with tempfile.TemporaryDirectory() as work:
        sources = [str(package / f"{name}.py") for name in MODULES[package.name]]
        config = Path(work) / "mypy.ini"
        config.write_text(_TYPES, encoding="utf-8")
        command = [sys.executable, "-c", _MAKE, work, group(package), f"--config-file={config}", f"--cache-dir={work}/mypy", *sources]
        try:
            done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False, timeout=_PATIENCE)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"compiling took longer than {_PATIENCE} s"
        if done.returncode:
            log = folder.parent / "failed.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text(done.stdout + done.stderr, encoding="utf-8")
            return f"compiling failed, and {log} has the compiler's words"
        if _made(package) != made:
            return "its sources changed meanwhile"
        _put(Path(work) / "lib" / package.name, folder, made)
    return None


def _put(lib: Path, folder: Path, made: tuple[str, str]) -> None:
    """The stamp goes first and comes last: a folder that is half there is not used."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in lib.iterdir():
        shutil.copy2(path, folder)
    stamp(folder, *made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
