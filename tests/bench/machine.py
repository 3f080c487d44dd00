"""What a figure was measured on. Nothing here names the machine or its user."""

from __future__ import annotations

import os
import platform
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """The machine's facts and its load now: the mean count of processes that ran or waited in the last minute."""
    return {**_facts(), "load": round(os.getloadavg()[0], 2)}


@cache
def _facts() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system(),
    }


def _cpu() -> str:
    """The processor's name; only Linux has it in a file."""
    listing = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in _lines(listing) if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_bytes() -> int:
    """The most memory this process held at once.

    Where Linux tells it, it is the program's own mark: `ru_maxrss` also holds that of the process which started this one.
    """
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else most * 1024


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
