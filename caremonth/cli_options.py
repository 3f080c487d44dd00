"""Options that every command knows, and how months and instants are written on the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

DATABASE: Final = "sqlite:///caremonth.db"
DATABASE_HELP: Final = (
    "The ledger: a SQLite file, or postgresql://USER@HOST/NAME. A writer waits for others as many seconds as ?timeout=10 at its end says."
)
ALSO: Final = "Before or after the command: --db URL, --json, --rules DIR, --sync full|normal (see caremonth --help)."
_VALUED: Final = ("--db", "--rules", "--sync")
_FLAGS: Final = ("--json",)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH: Final = re.compile(r"(?:20\d\d|2100)-(?:0[1-9]|1[0-2])", re.ASCII)


class Settings(NamedTuple):
    """What holds for whichever command: the database, the form of the output, the rule files, how durable a commit is."""

    db: str
    json: bool
    rules: Path | None
    full_sync: bool


def settings_of(context: typer.Context) -> Settings:
    """The settings of the running command."""
    found = context.find_object(Settings)
    if found is None:
        raise RuntimeError("the command runs without the program's settings")
    return found


def to_front(arguments: Sequence[str]) -> list[str]:
    """The arguments with the global options before the command, wherever they stood; what follows `--` is left alone.

    Exits with 2 where one lacks its value.
    """
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*front, *rest, word, *waiting]
        if word in _VALUED:
            front += [word, _value(word, waiting)]
        elif word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            front.append(word)
        else:
            rest.append(word)
    return [*front, *rest]


def command_in(arguments: Sequence[str]) -> str | None:
    """The command that arguments from `to_front` name; None where an option such as `--help` stands before it."""
    waiting = iter(arguments)
    for word in waiting:
        if word in _VALUED:
            next(waiting, None)
        elif not word.startswith("-"):
            return word
        elif word not in _FLAGS and "=" not in word:
            return None
    return None


def _value(word: str, waiting: list[str]) -> str:
    if not waiting:
        sys.stderr.write(f"caremonth: the option {word} needs a value\n")
        raise SystemExit(2)
    return waiting.pop(0)


def version(wanted: bool) -> None:
    """Say the version and which packages run compiled, and leave."""
    if wanted:
        from importlib.metadata import version as version_of

        import domain
        import ledger

        forms = [f"{room.__name__} {'compiled' if room.COMPILED else 'as Python'}" for room in (domain, ledger)]
        typer.echo(f"caremonth {version_of('caremonth')}, running {', '.join(forms)}")
        raise typer.Exit


def month(text: str) -> str:
    """A month as it is written; BadParameter otherwise."""
    if _MONTH.fullmatch(text) is None:
        raise typer.BadParameter("write a month such as 2026-03")
    return text


def instant(text: str) -> int:
    """Seconds since 1970 of an RFC 3339 instant, or of a date's beginning in UTC; BadParameter otherwise."""
    from domain.instants import parse_instant

    try:
        return parse_instant(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError as error:
        if str(error).startswith("lies outside"):
            raise typer.BadParameter(str(error)) from None
        raise typer.BadParameter("write a time such as 2026-03-02T10:00:00-05:00, or a date such as 2026-03-02 (00:00 UTC)") from None


Month = Annotated[str, typer.Argument(parser=month, metavar="MONTH", help="A calendar month such as 2026-03.")]
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
OnlySite = Annotated[str | None, typer.Option("--site", metavar="S", help="Only this site.")]
