"""`python -m tools.compile [FOLDER]`: the domain compiled by mypyc, where a C compiler works; else it goes on running as Python.

FOLDER is the package, by default that of this repository. What was made of the same sources is left alone. Ends with 0 in either case.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from importlib.util import source_hash
from pathlib import Path
from typing import Final

from domain.compiled import GROUP, PURE, digest, place, stamp, stamped
from tools.tree import ROOT

MODULES: Final = (
    "alerts", "allocation", "audit", "calendar", "changes", "context", "decide", "devices", "exclusions", "explanation",
    "facts", "histories", "holding", "instants", "lines", "progress", "records", "recount", "registry", "replay", "roster", "rulebook",
    "rulebook_stitch", "settlement", "spans", "standing", "sums", "tally",
)  # fmt: skip
"""All but what reads rule files and events, which waits for pydantic and not for Python."""
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
    package = Path(arguments[0] if arguments else ROOT / "domain").resolve()
    folder, made = place(package), (digest(package), f"mypy {version('mypy')} {source_hash(Path(__file__).read_bytes()).hex()}")
    if stamped(folder) == made:
        return 0
    missing = _missing()
    if missing is None:
        print(f"Compiling {package.name}, once for these sources; this takes about a minute. {PURE}=1 does without.", flush=True)
        missing = _compiled(package, folder, made)
    if missing is not None:
        print(f"{package.name} runs as Python, about half as fast: {missing}. Once that is mended: {_AGAIN}", flush=True)
    return 0


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
        sources = [str(package / f"{name}.py") for name in MODULES]
        told = ["--config-file=", "--follow-imports=silent", f"--cache-dir={work}/mypy", *sources]
        command = [sys.executable, "-c", _MAKE, work, GROUP, *told]
        try:
            done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=False, timeout=_PATIENCE)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"compiling took longer than {_PATIENCE} s"
        if done.returncode:
            log = folder.parent / "failed.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text(done.stdout + done.stderr, encoding="utf-8")
            return f"compiling failed, and {log} has the compiler's words"
        if digest(package) != made[0]:
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
