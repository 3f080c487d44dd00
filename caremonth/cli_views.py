"""What the commands print of the views and the rule files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from caremonth.cli_errors import Refusal
from caremonth.cli_ledger import has_ledger, opened
from caremonth.cli_options import Settings
from caremonth.cli_output import Row, put, put_json, put_rich, put_rows
from caremonth.cli_text import PROBLEMS, SITES, site_rows

if TYPE_CHECKING:
    from domain.rulebook import Rulebook


def put_board(board: Row, *, as_json: bool) -> None:
    """The month board: a row a patient, program and practitioner, then the sites' totals. As JSON one object of all of it."""
    from projections.board import board_table

    if as_json:
        put_json(board)
        return
    header, *rows = board_table(board)
    put(f"{board['tenant']} · {board['month']} · as of {board['as_of'] or '(nothing decided yet)'}")
    put_rows([dict(zip(header, row, strict=True)) for row in rows], {name: _cell(name) for name in header}, as_json=False, nothing="no patients")
    put()
    put_rows(site_rows(board), SITES, as_json=False, nothing="no sites")


def _cell(name: str) -> Any:
    return lambda row: row[name]


def put_rule_sets(settings: Settings) -> None:
    """The rule sets, the one in force first."""
    from caremonth.rules_cli import list_text, rules_list

    rows = rules_list(*rule_sets(settings))
    if settings.json:
        for row in rows:
            put_json(row)
    else:
        put_rich(list_text(rows))


def put_code(settings: Settings, code: str) -> None:
    """A code's dated values in the rule set in force; Refusal for a code it has not."""
    from caremonth.rules_cli import UnknownCodeError, rules_show, show_text

    try:
        shown = rules_show(rule_sets(settings)[0].document, code)
    except UnknownCodeError as error:
        raise Refusal(str(error)) from None
    if settings.json:
        put_json(shown)
    else:
        put_rich(show_text(shown))


def put_problems(folder: Path, *, as_json: bool) -> bool:
    """What is wrong with the rule files of a folder; whether anything is."""
    from caremonth.rules_cli import rules_check

    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder; name one that holds rule files")
    problems = rules_check(folder)
    put_rows([{"problem": problem} for problem in problems], PROBLEMS, as_json=as_json, nothing=f"the rule files of {folder} can be followed")
    return bool(problems)


def rule_sets(settings: Settings) -> list[Rulebook]:
    """The ledger's rule set where there is a ledger, else the carried one first; then the carried one and its proposals."""
    from ledger.rule_files import PACKAGED
    from ledger.rules import load

    carried = settings.rules or PACKAGED
    folders = [carried, *sorted(path.parent for path in carried.glob("*/ruleset.yaml"))]
    found = [load(folder) for folder in folders]
    stored = _stored(settings)
    return found if stored is None else [stored, *(book for book in found if book.digest != stored.digest)]


def _stored(settings: Settings) -> Rulebook | None:
    """The rules a ledger was decided by, also where the program carries others."""
    if not has_ledger(settings):
        return None
    import orjson

    from domain.rulebook_compile import compile_rulebook
    from ledger.database import reading
    from ledger.rules import ACTIVE, document_of, setting

    with opened(settings) as ledger, reading(ledger.engine) as connection:
        digest = setting(connection, ACTIVE)
        document = document_of(connection, digest) if digest else None
    return compile_rulebook(orjson.loads(document)) if document else None
