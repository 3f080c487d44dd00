"""What the C library keeps of memory that the program has freed: less than it would by itself. Nothing is done where it is not glibc."""

from __future__ import annotations

from contextlib import suppress
from ctypes import CDLL
from typing import Final

_ARENA_MAX: Final = -8
"""M_ARENA_MAX of malloc.h."""
ARENAS: Final = 2
"""Heaps for all threads: by itself each thread gets one, which keeps the most that the thread ever had at hand."""


def share() -> None:
    """Let the threads to come share few heaps."""
    with suppress(OSError, AttributeError):
        CDLL(None).mallopt(_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give the system back what is free; some milliseconds' work."""
    with suppress(OSError, AttributeError):
        CDLL(None).malloc_trim(0)
