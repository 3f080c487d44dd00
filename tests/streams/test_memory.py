"""Threads share few heaps of the C library's, and what is free goes back to the system."""

import platform
import subprocess
import sys

PROGRAM = """
import sys
from ctypes import CDLL, c_void_p
from threading import Barrier, Thread

from streams.memory import give_back, share

if sys.argv[1] == "shared":
    share()
together = Barrier(8)

def work():
    pieces = [bytes(2_000) for _ in range(1_000)]
    together.wait()

threads = [Thread(target=work) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
give_back()
libc = CDLL(None)
libc.fopen.restype = c_void_p
file = c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""
GLIBC = platform.libc_ver()[0] == "glibc"


def heaps(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True)
    return done.stdout.count("<heap ")


def test_threads_share_few_heaps() -> None:
    """Where the library is another one nothing happens, and nothing fails."""
    if not GLIBC:
        subprocess.run([sys.executable, "-c", PROGRAM.split("libc = ", maxsplit=1)[0], "shared"], check=True)
        return
    assert heaps("shared") <= 2 < heaps("alone")
