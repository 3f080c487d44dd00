"""The rule sets and codes for people and programs, and the check of rule files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened_if_there
from caremonth.cli_options import Settings
from caremonth.cli_output import note, put, put_json, put_rich, put_rows
from caremonth.cli_text import PROBLEMS
from caremonth.rules_cli import UNKNOWN, Row, UnknownCodeError, list_text, rules_check, rules_list, rules_show, show_text, standing
from caremonth.rules_diff import CHANGES, difference, heading
from domain.rule_notes import unspoken
from domain.rulebook import Rulebook
from ledger import approvals
from ledger.database import reading
from ledger.rule_files import PACKAGED, located
from ledger.rules import load, stored_book

_SHOWN: Final = 12


class Kept(NamedTuple):
    """The rule sets of a ledger, those in force first, with the digests of those, and what was said of each."""

    books: tuple[Rulebook, ...] = ()
    active: frozenset[str] = frozenset()
    said: Mapping[str, approvals.Approval] = {}

    def state_of(self, book: Rulebook) -> Row:
        """The state of a rule set in the ledger."""
        if all(book.digest != kept.digest for kept in self.books):
            return UNKNOWN
        return standing(book, self.said.get(book.digest), book.digest in self.active)


def put_rule_sets(settings: Settings) -> None:
    """The rule sets, the one in force first, each with its state in the ledger."""
    kept = _kept(settings)
    books = _with_carried(settings, kept)
    rows = [row | kept.state_of(book) for row, book in zip(rules_list(*books), books, strict=True)]
    if settings.json:
        for row in rows:
            put_json(row)
    else:
        put_rich(list_text(rows))


def put_code(settings: Settings, code: str, rule_set: str | None) -> None:
    """A code's dated values in a rule set, the one in force if none is named; RefusedError where there is no such set or code."""
    book = chosen(settings, rule_set) if rule_set else rule_sets(settings)[0]
    try:
        shown = rules_show(book.document, code) | {"rule_set": book.id}
    except UnknownCodeError as error:
        raise RefusedError(str(error)) from None
    if settings.json:
        put_json(shown)
    else:
        put_rich(show_text(shown))


def put_difference(settings: Settings, before: str, after: str) -> None:
    """What differs between two rule sets, each a folder, an id or the beginning of a digest."""
    one, other = chosen(settings, before), chosen(settings, after)
    rows = difference(one, other)
    if not settings.json and rows:
        put(heading(one, other, rows))
    put_rows(rows, CHANGES, as_json=settings.json, nothing="the two rule sets say the same")


def put_problems(settings: Settings, folder: Path) -> bool:
    """What is wrong with the rule files of a folder, also with regard to closed months of the ledger; whether anything is."""
    if not folder.is_dir():
        raise RefusedError(f"{folder} is not a folder; name one that holds rule files")
    problems = rules_check(folder)
    if not problems:
        for warning in _unspoken(settings, folder):
            note(f"warning: {warning}")
        problems = _unexplained(settings, folder)
    if settings.json and not problems:
        put_json({"problems": []})
    put_rows(
        [{"problem": problem} for problem in problems],
        PROBLEMS,
        as_json=settings.json,
        nothing=f"the rule files of {folder} can be followed",
    )
    return bool(problems)


def _unspoken(settings: Settings, folder: Path) -> list[str]:
    """Codes with other values than in the rules in force, or in those the program carries, whose words for people say the old ones."""
    return located(folder, unspoken(rule_sets(settings)[0].document, load(folder).document))


def _unexplained(settings: Settings, folder: Path) -> list[str]:
    """Changes to closed months that have no note; without a ledger there are none to be found, which is said."""
    found = opened_if_there(settings)
    if found is None:
        if not settings.json:
            note("there is no ledger at this URL: whether values of closed months change was not looked at")
        return []
    with found as ledger, reading(ledger.engine) as connection:
        errors = approvals.unexplained_in(connection, load(folder))
    return located(folder, errors)


def chosen(settings: Settings, word: str) -> Rulebook:
    """The rule set a person names: a folder, an id or the beginning of a digest. Raises RefusedError."""
    if Path(word).is_dir():
        return load(Path(word))
    known = rule_sets(settings)
    found = [book for book in known if word == book.id or (len(word) >= approvals.PREFIX and book.digest.startswith(word))]
    if not found:
        raise RefusedError(f"'{word}' is neither a folder nor a rule set; there are {_listed(known)}")
    if len(found) > 1:
        raise RefusedError(f"'{word}' names several rule sets: {_listed(found)}; write more of the digest")
    return found[0]


def _listed(books: Iterable[Rulebook]) -> str:
    return ", ".join(f"{book.id} ({book.digest[:_SHOWN]})" for book in books)


def rule_sets(settings: Settings) -> list[Rulebook]:
    """The ledger's rule sets, those in force first, where there is a ledger; then the carried one and its proposals."""
    return _with_carried(settings, _kept(settings))


def _with_carried(settings: Settings, kept: Kept) -> list[Rulebook]:
    carried = settings.rules or PACKAGED
    folders = [carried, *sorted(path.parent for path in carried.glob("*/ruleset.yaml"))]
    digests = {book.digest for book in kept.books}
    return [*kept.books, *(book for book in map(load, folders) if book.digest not in digests)]


def _kept(settings: Settings) -> Kept:
    """What a ledger knows of rule sets, also where the program carries others."""
    found = opened_if_there(settings)
    if found is None:
        return Kept()
    with found as ledger, reading(ledger.engine) as connection:
        active = approvals.in_force(connection)
        books = (stored_book(connection, digest) for digest in dict.fromkeys((*active, *approvals.stored(connection))))
        return Kept(tuple(books), frozenset(active), approvals.latest(connection))
