"""Ends one process, and removes its folder, when the process that started it is gone without a word: run as a script, not imported.

Arguments: the process id, the signal's number, the folder. Standard input ends without a byte only when the starter died,
however it did; an orderly starter writes one byte first, and cleans up itself.
"""

import contextlib
import os
import shutil
import sys
import time


def end(process: int, signal_number: int) -> None:
    """Signal until there is nobody to signal."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(process, signal_number)
            time.sleep(0.1)


if __name__ == "__main__":
    if not sys.stdin.buffer.read():
        end(int(sys.argv[1]), int(sys.argv[2]))
        shutil.rmtree(sys.argv[3], ignore_errors=True)
