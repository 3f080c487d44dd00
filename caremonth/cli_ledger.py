"""What the commands do with a ledger: open it, feed files to it, close a month in it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final
from uuid import uuid5

from caremonth.cli_errors import Refusal
from caremonth.cli_options import Settings

if TYPE_CHECKING:
    from ledger import Ledger, Summary

STANDARD_INPUT: Final = "-"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FILE_URLS: Final = ("sqlite:///", "sqlite+pysqlite:///")


def opened(settings: Settings, *, create: bool = False) -> Ledger:
    """The ledger the settings name. Without `create` none is made: a mistyped URL must not leave an empty file behind."""
    if not create and not _is_there(settings.db):
        raise Refusal("there is no ledger at this URL yet; ingest events first, or name another with --db")
    from ledger import open_ledger

    gc.freeze()
    gc.enable()
    return open_ledger(settings.db, settings.rules, full_sync=settings.full_sync, create=create)


def has_ledger(settings: Settings) -> bool:
    """Whether the URL may lead to a ledger that exists."""
    return _is_there(settings.db)


def _is_there(url: str) -> bool:
    """Only a file of SQLite can be looked for without opening it; a server tells itself."""
    for prefix in _FILE_URLS:
        if url.startswith(prefix):
            path = url[len(prefix) :].partition("?")[0]
            return path == ":memory:" or Path(path).is_file()
    return True


def inputs_of(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """The non-blank lines of the files in order, each with its origin; Refusal, before anything is read, where one is not there."""
    for name in files:
        if name != STANDARD_INPUT:
            _require(name)
    return _lines_of(files)


def _require(name: str) -> None:
    path = Path(name)
    if path.is_dir():
        raise Refusal(f"{name} is a folder; name the files in it. Nothing was ingested")
    if not path.exists():
        raise Refusal(f"{name} is not there; correct the path. Nothing was ingested")
    if not os.access(path, os.R_OK):
        raise Refusal(f"{name} may not be read; change its permissions. Nothing was ingested")


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
        raise Refusal(f"{name} cannot be read to its end: {error.strerror}; what came before it was ingested, ingest it again") from None


def _line(line: bytes) -> bytes:
    """A line without its end, `\\n` or `\\r\\n`."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def counts(summary: Summary) -> dict[str, int]:
    """The summary of an intake as it is printed."""
    return dict(summary._asdict())


def progress_of(summary: Summary) -> None:
    """How far an intake is, for a person who waits."""
    sys.stderr.write(f"\r{sum(summary):,} events")
    sys.stderr.flush()


def close_month(ledger: Ledger, tenant: str, month: str, site: str | None, at: int, by: str) -> dict[str, int]:
    """Record a month's close and say how many lines it made final. Refusal where it is not a valid close, and nothing is parked then."""
    from domain.events import Invalid
    from domain.instants import format_instant, month_end
    from domain.rulebook_vocabulary import vocabulary
    from ledger.codec import decode

    if at < month_end(month):
        raise Refusal(f"{month} is not over in UTC at that time; close it at or after {format_instant(month_end(month))}")
    raw = close_event(tenant, month, site, format_instant(at), by)
    try:
        decode(raw, vocabulary(ledger.rulebook))
    except Invalid as refusal:
        raise Refusal(f"this close is not valid: {refusal.message}") from None
    ledger.settle()
    before = _closed_lines(ledger, tenant, month)
    summary = ledger.ingest([("close", raw)])
    return {**counts(summary), "closed_lines": _closed_lines(ledger, tenant, month) - before}


def close_event(tenant: str, month: str, site: str | None, at: str, by: str) -> bytes:
    """The event of a close; the same close has the same id, so that repeating it is a duplicate."""
    import json

    from domain.settlement import NAMESPACE

    identifier = uuid5(NAMESPACE, f"close/{tenant}/{month}/{site or ''}/{at}/{by}")
    data = {"month": month, "at": at, "by": by, **({"site_id": site} if site else {})}
    event: dict[str, Any] = {
        "specversion": "1.0", "id": str(identifier), "source": "/caremonth/cli", "type": "care.month.closed.v1",
        "tenant": tenant, "subject": tenant, "time": at, "data": data,
    }  # fmt: skip
    return json.dumps(event).encode()


def _closed_lines(ledger: Ledger, tenant: str, month: str) -> int:
    return sum(line["status"] == "closed" for line in ledger.lines(tenant, month))


def operator() -> str:
    """Who works here, by the system's account of it."""
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError, ImportError):
        return "operator"


def patient_months(ledger: Ledger) -> int:
    """How many patient-months the ledger holds."""
    from sqlalchemy import func, select

    from ledger import schema
    from ledger.database import reading

    with reading(ledger.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(schema.months)).scalar() or 0)


