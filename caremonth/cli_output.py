"""How results reach people and programs: JSON lines, tables for a terminal, plain columns for a pipe.

Ids and messages come from outside: no control character of theirs reaches a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from caremonth.cli_errors import OutputClosedError
from caremonth.cli_table import RIGHT, terminal_table

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], object]]

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_STYLES: Final = {"bold": "1", "dim": "2", "green": "32", "yellow": "33", "cyan": "36"}


class Branch(NamedTuple):
    """A text with what hangs from it; `style` is a word of `_STYLES`."""

    text: str
    style: str = ""
    children: tuple[Branch, ...] = ()


def clean(text: object) -> str:
    """The text with control, direction and invisible characters written out."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def on_terminal() -> bool:
    """Whether a person looks at the output right now."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def put(text: str = "") -> None:
    """One line of the result. Raises OutputClosedError when nobody reads any more."""
    write(f"{text}\n")


def write(text: str) -> None:
    """A part of the result as it is. Raises OutputClosedError when nobody reads any more."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise OutputClosedError from None


def note(text: str) -> None:
    """Something beside the result, for whoever watches."""
    sys.stderr.write(f"{clean(text)}\n")


def put_json(value: object) -> None:
    """One JSON value on one line, in ASCII: escapes cannot act on a terminal, and any locale can print it."""
    put(json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f"))


def put_rows(rows: Iterable[Row], columns: Columns, *, as_json: bool, nothing: str) -> None:
    """Rows as JSON lines, or as a table; `nothing` is said beside an empty result."""
    if as_json:
        for row in rows:
            put_json(row)
        return
    cells = [[clean(_shown(cell(row))) for cell in columns.values()] for row in rows]
    if not cells:
        note(nothing)
    elif on_terminal():
        for text, style in terminal_table(list(columns), cells, get_terminal_size().columns):
            put_styled(text, style)
    else:
        for line in plain_table(list(columns), cells):
            put(line)


def plain_table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterable[str]:
    """Aligned columns without a frame, nothing cut off."""
    widths = [max(len(heading), *(len(row[n]) for row in cells)) for n, heading in enumerate(headings)]
    for row in [headings, *cells]:
        padded = (
            text.rjust(width) if name in RIGHT else text.ljust(width) for text, width, name in zip(row, widths, headings, strict=True)
        )
        yield "  ".join(padded).rstrip()


def put_rich(*renderables: RenderableType) -> None:
    """Things made for a terminal; in a pipe without colours, as wide as they want to be."""
    from rich.console import Console

    if on_terminal():
        Console(markup=False, highlight=False, emoji=False).print(*renderables, sep="\n")
        return
    console = Console(markup=False, highlight=False, emoji=False, width=1000, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(*renderables, sep="\n")
    for line in captured.get().splitlines():
        put(line.rstrip())


def put_tree(branches: Iterable[Branch]) -> None:
    """Trees under each other, an empty line between them. Drawn here, so that an explanation does not wait for a library."""
    width = width_of_terminal()
    for number, branch in enumerate(branches):
        if number:
            put()
        for text, style in tree_lines(branch, width):
            put_styled(text, style)


def put_styled(text: str, style: str) -> None:
    """One line, coloured where somebody looks and wants colours; `style` is a word of `_STYLES` or empty."""
    coloured = style and on_terminal() and "NO_COLOR" not in os.environ
    put(f"\033[{_STYLES[style]}m{text}\033[0m" if coloured else text)


def width_of_terminal() -> int | None:
    """Columns to fill; None where nobody looks and nothing is to be wrapped."""
    return get_terminal_size().columns if on_terminal() else None


def tree_lines(branch: Branch, width: int | None = None, first: str = "", rest: str = "") -> Iterator[tuple[str, str]]:
    """The lines of a tree with their styles; wrapped where a width is given."""
    stem = rest + ("│  " if branch.children else "   " if rest else "")
    for number, part in enumerate(_wrapped(clean(branch.text), width and max(width - len(stem), 30))):
        yield (stem if number else first) + part, branch.style
    for number, child in enumerate(branch.children, 1):
        last = number == len(branch.children)
        yield from tree_lines(child, width, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    from textwrap import wrap

    return wrap(text, width, drop_whitespace=True, break_on_hyphens=False)


def _shown(value: object) -> object:
    return "" if value is None else value
