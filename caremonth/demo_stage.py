"""How the tour speaks: headings and paragraphs for a terminal, plain text in a pipe."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import which
from textwrap import wrap
from typing import Final

from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from caremonth.cli_output import on_terminal, put, put_rich, put_styled, width_of_terminal

_WIDTH: Final = 110


def chapter(title: str) -> None:
    """A heading."""
    put()
    if not on_terminal():
        put(f"== {title}")
        return
    put_rich(Rule(Text(f" {title} ", style="bold"), align="left", style="cyan"))


def say(text: str, indent: str = "") -> None:
    """A paragraph; an indented one hangs."""
    width = min(width_of_terminal() or _WIDTH, _WIDTH)
    for line in wrap(text, width, initial_indent=indent, subsequent_indent=2 * indent) or [""]:
        put(line)


def tell(text: str, style: str = "") -> None:
    """One line, coloured where there are colours."""
    put_styled(text, style)


def commands(*arguments: str) -> None:
    """Commands that work as printed, from the folder the tour was started in."""
    lines = [f"{program()} {words}" for words in arguments]
    if not on_terminal():
        for line in lines:
            put(f"  {line}")
        return
    put_rich(Panel.fit(Text("\n".join(lines)), border_style="cyan"))


def program() -> str:
    """How the running program is called from here."""
    called = Path(sys.argv[0])
    if called.name != "caremonth":
        return f"{os.path.relpath(sys.executable)} -m caremonth"
    found = which("caremonth")
    return "caremonth" if found and Path(found).resolve() == called.resolve() else os.path.relpath(called)
