"""From files to the ledger's intake, and what is said of it afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import typer

from caremonth.cli_errors import RefusedError
from caremonth.cli_output import note, put_json
from ledger import Summary

STANDARD_INPUT: Final = "-"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def inputs_of(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The non-blank lines of the files in order, each with its origin; RefusedError, before anything is read, where one is not there."""
    for name in files:
        if name != STANDARD_INPUT:
            _require(name)
    return _lines_of(files)


def _require(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        raise RefusedError(f"{name} is a folder; name the files in it. Nothing was ingested")
    if not path.exists():
        raise RefusedError(f"{name} is not there; correct the path. Nothing was ingested")
    if not os.access(path, os.R_OK):
        raise RefusedError(f"{name} may not be read; change its permissions. Nothing was ingested")


def _lines_of(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in files:
        if name == STANDARD_INPUT:
            yield from _numbered(name, sys.stdin.buffer)
            continue
        with Path(name).open("rb") as file:
            yield from _numbered(name, file)


def _numbered(name: str, file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    shown = os.fsencode(name).decode("utf-8", "replace")
    try:
        for number, line in enumerate(file, 1):
            text = _line(line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line)
            if text.strip():
                yield f"{shown}:{number}", text
    except OSError as error:
        raise RefusedError(
            f"{name} cannot be read to its end: {error.strerror}; ingest it again, what is known already has no effect"
        ) from None


def _line(line: bytes) -> bytes:
    """A line without its end, `\\n` or `\\r\\n`."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def end_with(summary: Summary) -> None:
    """Print the summary of an intake; exit 3 where something was parked."""
    put_json(summary._asdict())
    if summary.dead_letters:
        note(f"{summary.dead_letters} went to the dead letters; `caremonth dead-letters list` says why")
        raise typer.Exit(3)


def progress_of(summary: Summary) -> None:
    """How far an intake is, for a person who waits."""
    sys.stderr.write(f"\r{sum(summary):,} events")
    sys.stderr.flush()
