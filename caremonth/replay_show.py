"""A replay plan as people read it: in a terminal or a pipe, as one JSON object, or as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import time

from caremonth.cli_errors import RefusedError
from caremonth.cli_options import Settings
from caremonth.cli_output import note, put_json
from caremonth.plan_figures import figures
from caremonth.plan_page import page
from caremonth.plan_text import put_plan
from ledger import plans


def show(path: Path, settings: Settings, as_of: int | None, html: Path | None) -> None:
    """Show a plan; LedgerError where the file is none or was edited."""
    plan = plans.read(path)
    day = datetime.fromtimestamp(time() if as_of is None else as_of, UTC).date()
    shown = figures(plan, day)
    if html is not None:
        _write(html, page(shown))
        note(f"{html} is written: one file, to be opened in a browser or printed")
    if settings.json:
        put_json(shown)
    elif html is None:
        put_plan(shown)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"the page cannot be written: {error.strerror}: {path}") from None
