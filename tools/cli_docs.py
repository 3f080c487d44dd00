"""`docs/cli.md`, written from the help texts of the commands, so that it says what they say."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from caremonth.cli import app
from tools.tree import ROOT

PAGE = ROOT / "docs" / "cli.md"
WIDTH = "100"
COMMANDS = (
    "demo", "ingest", "lines", "explain", "events", "alerts", "adjustments", "board", "export", "close", "verify", "sample",
    "serve", "tokens new", "worker", "relay", "send", "reconcile", "positions list", "positions accept-loss",
    "dead-letters list", "dead-letters retry", "rules list", "rules show", "rules check", "rules diff", "rules approve", "rules retire",
    "replay plan", "replay show", "replay apply", "replay revert", "replay list", "rebuild", "topics create", "topics check",
)  # fmt: skip


def main() -> int:
    """Write the page; the exit status is 0."""
    write(PAGE)
    return 0


def write(page: Path) -> None:
    """Write the page to a file."""
    page.write_text(text(), encoding="utf-8")


def text() -> str:
    """The page as it should be."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "Written by `python -m tools.cli_docs` from the help texts; a test compares. What each prints and its exit codes are in"
    yield "[the contract](contract.md#4-commands)."
    yield from _section("caremonth")
    for command in COMMANDS:
        yield from _section(f"caremonth {command}", *command.split())


def _section(title: str, *words: str) -> Iterator[str]:
    yield from ("", f"## {title}", "", "```text", help_of(*words).rstrip(), "```")


def help_of(*words: str) -> str:
    """The help text of a command, as wide everywhere."""
    with patch.dict(os.environ, {"COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH}):
        return CliRunner().invoke(app, [*words, "--help"], prog_name="caremonth").output


if __name__ == "__main__":
    sys.exit(main())
