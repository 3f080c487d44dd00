"""Which form of a package runs: what mypyc made of exactly these sources, or the sources themselves (docs/adr/0013-compiled-domain.md).

Compiled modules lie in a folder of their own, in which nothing is looked for unless they were made of the sources as they are now: a
source that was edited runs as it reads, until it is compiled again. This module and `domain/__init__.py` alone touch the machine.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import source_hash
from pathlib import Path

PURE = "CAREMONTH_PURE"
"""The variable that, set to anything but 0, has the sources run whatever was compiled."""
_STAMP = "sources"


def group(package: Path) -> str:
    """What the compiled modules of a package's folder are called together."""
    return f"{package.name}.compiled"


def place(package: Path) -> Path:
    """Where the compiled modules of a package's folder are, for this kind of Python."""
    return package / "__compiled__" / EXTENSION_SUFFIXES[0].split(".")[1]


def digest(*packages: Path) -> str:
    """Of the names and texts of all modules of a package and of those it stands on: what one says is compiled into others too."""
    paths = [path for package in packages for path in sorted(package.glob("*.py"))]
    texts = [part for path in paths for part in (path.name.encode(), path.read_bytes())]
    return source_hash(b"\0".join(texts)).hex()


def stamp(folder: Path, made_of: str, made_by: str) -> None:
    """Say of compiled modules what they were made of and by."""
    (folder / _STAMP).write_text(f"{made_of}\n{made_by}\n", encoding="utf-8")


def stamped(folder: Path) -> tuple[str, ...]:
    """What compiled modules were made of and by; nothing where there are none."""
    try:
        return tuple((folder / _STAMP).read_text(encoding="utf-8").splitlines())
    except OSError:
        return ()


def is_pure() -> bool:
    """Whether the sources are asked for."""
    return os.environ.get(PURE, "0") not in {"", "0"}


def use(path: list[str], *below: Path) -> bool:
    """Have the package of this `__path__`, which stands on those `below`, import its compiled modules where they can be used; whether it
    does."""
    package = Path(path[0])
    folder = place(package)
    if is_pure() or stamped(folder)[:1] != (digest(package, *below),):
        return False
    path.insert(0, str(folder))
    try:
        import_module(f"{group(package)}__mypyc")
    except ImportError:  # made on a machine that is not like this one
        path.pop(0)
        return False
    return True
