"""What processes cost, as Linux tells it of each: processor seconds and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PROC: Final = Path("/proc")


def cpu_seconds(process: int) -> float:
    """Processor seconds of a process and of all that it started, ended ones included as soon as it has waited for them."""
    return sum(_ticks(one) for one in _family(process)) / TICKS


def memory_megabytes(process: int, what: str = "VmHWM") -> float:
    """The most a process ever held (`VmHWM`), or what it holds now (`VmRSS`), in 1,000,000 bytes."""
    for line in (PROC / str(process) / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1_000_000
    raise RuntimeError(f"process {process} says nothing of its {what}: it has ended")


def _family(process: int) -> list[int]:
    found, children = [process], PROC / str(process) / "task" / str(process) / "children"
    for child in children.read_text(encoding="utf-8").split() if children.is_file() else ():
        found += _family(int(child))
    return found


def _ticks(process: int) -> int:
    """User and system time of a process and of its children that are gone; 0 of one that ended just now."""
    try:
        stat = (PROC / str(process) / "stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))
