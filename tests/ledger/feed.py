"""Feeds a file of events to a ledger from a process of its own: `python -m tests.ledger.feed URL FILE [BATCH]`.

A line a batch tells how far it came; then, after `done`, the summary. A LedgerError goes to stderr, with exit 1.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ledger import Ledger, LedgerError, Summary, open_ledger


def main(url: str, file: str, batch: str = "40") -> int:
    """Ingest the file, within the limits that the environment sets."""
    _limited(os.environ.get("FEED_FILE_SIZE"), os.environ.get("FEED_USER"))
    try:
        with open_ledger(url) as ledger:
            summary = ingest(ledger, Path(file).read_bytes().splitlines(), int(batch), tell)
    except LedgerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print("done", json.dumps(summary), flush=True)  # noqa: T201
    return 0


def ingest(ledger: Ledger, lines: Sequence[bytes], batch: int, progress: Callable[[Summary], None] | None = None) -> Summary:
    """Take the lines in, deciding what is due after every third batch."""
    inputs = ((f"feed:{number}", line) for number, line in enumerate(lines, 1))
    return ledger.ingest(inputs, batch=batch, settle_after=3 * batch, progress=progress)


def tell(total: Summary) -> None:
    """Say how far it came."""
    print(json.dumps(total), flush=True)  # noqa: T201


def _limited(file_size: str | None, user: str | None) -> None:
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_size), int(file_size)))
    if user is not None:
        os.setuid(int(user))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
