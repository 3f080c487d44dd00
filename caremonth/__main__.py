"""The program: one command, its exit code, and what is said when it fails."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

from caremonth.cli_errors import OutputClosedError, RefusedError

DEBUG = "CAREMONTH_DEBUG"
DONE, REFUSED, INTERRUPTED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 1 cannot be met, 2 wrong usage, 3 done with dead letters (docs/contract.md §4).

    The collector rests while modules load, which makes the start a tenth shorter; opening a ledger wakes it again.
    """
    gc.disable()
    try:
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 a command never ends in a traceback: it could show health data
        return _tell(error)
    finally:
        gc.enable()
    return code


def _run(arguments: list[str]) -> int:
    from caremonth.cli import only
    from caremonth.cli_options import command_in, to_front

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        words = to_front(arguments)
        only(command_in(words))(words, prog_name="caremonth")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else DONE
    return DONE


def _tell(error: Exception) -> int:
    """Say in one sentence why the request was not met; of an unexpected error only its type, its text may hold health data."""
    if isinstance(error, OutputClosedError | BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if os.environ.get(DEBUG) == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stderr.write(f"caremonth: {_sentence(error)}\n")
    return REFUSED


def _sentence(error: Exception) -> str:
    from caremonth.cli_output import clean

    if isinstance(error, RefusedError):
        return clean(error)
    from ledger import LedgerError

    if isinstance(error, LedgerError):
        return clean(error)
    if isinstance(error, OSError) and error.strerror:
        return f"the system refused: {error.strerror}"
    return f"unexpected {type(error).__name__}; this is a fault of the program: {DEBUG}=1 shows where, its text may hold health data"


if __name__ == "__main__":
    sys.exit(main())
