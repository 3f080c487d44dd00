"""The rule sets and codes for people and programs, and the check of rule files."""

from __future__ import annotations

from pathlib import Path

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import has_ledger, opened
from caremonth.cli_options import Settings
from caremonth.cli_output import put_json, put_rich, put_rows
from caremonth.cli_text import PROBLEMS
from caremonth.rules_cli import UnknownCodeError, list_text, rules_check, rules_list, rules_show, show_text
from domain.rulebook import Rulebook
from ledger.database import reading
from ledger.rule_files import PACKAGED
from ledger.rules import Rules, load


def put_rule_sets(settings: Settings) -> None:
    """The rule sets, the one in force first."""
    rows = rules_list(*rule_sets(settings))
    if settings.json:
        for row in rows:
            put_json(row)
    else:
        put_rich(list_text(rows))


def put_code(settings: Settings, code: str) -> None:
    """A code's dated values in the rule set in force; RefusedError for a code it has not."""
    try:
        shown = rules_show(rule_sets(settings)[0].document, code)
    except UnknownCodeError as error:
        raise RefusedError(str(error)) from None
    if settings.json:
        put_json(shown)
    else:
        put_rich(show_text(shown))


def put_problems(folder: Path, *, as_json: bool) -> bool:
    """What is wrong with the rule files of a folder; whether anything is."""
    if not folder.is_dir():
        raise RefusedError(f"{folder} is not a folder; name one that holds rule files")
    problems = rules_check(folder)
    if as_json and not problems:
        put_json({"problems": []})
    put_rows(
        [{"problem": problem} for problem in problems], PROBLEMS, as_json=as_json, nothing=f"the rule files of {folder} can be followed"
    )
    return bool(problems)


def rule_sets(settings: Settings) -> list[Rulebook]:
    """The ledger's rule set where there is a ledger, else the carried one first; then the carried one and its proposals."""
    carried = settings.rules or PACKAGED
    folders = [carried, *sorted(path.parent for path in carried.glob("*/ruleset.yaml"))]
    found = [load(folder) for folder in folders]
    stored = _stored(settings)
    return found if stored is None else [stored, *(book for book in found if book.digest != stored.digest)]


def _stored(settings: Settings) -> Rulebook | None:
    """The rules a ledger was decided by, also where the program carries others."""
    if not has_ledger(settings):
        return None
    rules = Rules()
    with opened(settings) as ledger, reading(ledger.engine) as connection:
        rules.refresh(connection)
    return rules.latest() if rules.rows else None
