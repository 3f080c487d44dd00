"""Ends one process when the process that started it is gone without a word: run as a script, not imported.

Arguments: the process id and the signal's number. Standard input ends without a byte only when the starter died, however it
did; an orderly starter writes one byte first.
"""

import os
import sys

if __name__ == "__main__":
    watched, signal_number = int(sys.argv[1]), int(sys.argv[2])
    if not sys.stdin.buffer.read():
        os.kill(watched, signal_number)
