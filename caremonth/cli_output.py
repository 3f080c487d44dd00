"""How results reach people and programs: JSON lines, tables for a terminal, plain columns for a pipe.

Ids and messages come from outside: no control character of theirs reaches a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from caremonth.cli_errors import OutputClosed

if TYPE_CHECKING:
    from rich.console import RenderableType

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], object]]

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_RIGHT: Final = frozenset({"units", "amount", "time", "missing time", "seq", "units ±", "amount ±"})


def clean(text: object) -> str:
    """The text with control, direction and invisible characters written out."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def on_terminal() -> bool:
    """Whether a person looks at the output right now."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def put(text: str = "") -> None:
    """One line of the result. Raises OutputClosed when nobody reads any more."""
    write(f"{text}\n")


def write(text: str) -> None:
    """A part of the result as it is. Raises OutputClosed when nobody reads any more."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise OutputClosed from None


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
        put_rich(_table(list(columns), cells))
    else:
        for line in plain_table(list(columns), cells):
            put(line)


def plain_table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterable[str]:
    """Aligned columns without a frame, nothing cut off."""
    widths = [max(len(heading), *(len(row[n]) for row in cells)) for n, heading in enumerate(headings)]
    for row in [headings, *cells]:
        padded = (text.rjust(width) if name in _RIGHT else text.ljust(width) for text, width, name in zip(row, widths, headings, strict=True))
        yield "  ".join(padded).rstrip()


def put_rich(*renderables: RenderableType) -> None:
    """Something made for a terminal; in a pipe without colours, as wide as it wants to be."""
    from rich.console import Console

    if on_terminal():
        Console(markup=False, highlight=False, emoji=False).print(*renderables)
        return
    console = Console(markup=False, highlight=False, emoji=False, width=1000, no_color=True, force_terminal=False)
    with console.capture() as captured:
        console.print(*renderables)
    for line in captured.get().splitlines():
        put(line.rstrip())


def _table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in _RIGHT else "left")
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    return table


def _shown(value: object) -> object:
    return "" if value is None else value
