"""A replay plan as a file: one JSON object with sorted keys, the other rule set whole inside, and a digest over all of it.

The same history and the same rules give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from domain.changes import Change
from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_reader import RuleError
from domain.settlement import PatientMonth, Row, money
from ledger.errors import LedgerError

FORMAT: Final = "caremonth.replay-plan.v1"
_SORTED: Final = orjson.OPT_SORT_KEYS


class Totals(NamedTuple):
    """Lines that come, go and change their units or amount, and the sum of the changes in US cents, unknown amounts apart."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    cents: int = 0
    unknown: int = 0

    def plus(self, change: Change) -> Totals:
        """With one more change."""
        was, now = change.before[0], change.after[0]
        unknown = None in (change.before[1], change.after[1])
        return Totals(
            self.added + (was == 0 and now != 0),
            self.removed + (was != 0 and now == 0),
            self.changed + (was != 0 and now != 0),
            self.cents + change.cents,
            self.unknown + unknown,
        )

    def together(self, other: Totals) -> Totals:
        """The totals of both."""
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def row(self) -> Row:
        """As a plan has them; amounts in dollars."""
        return {
            "lines_added": self.added, "lines_removed": self.removed, "lines_changed": self.changed, "amount_delta": money(self.cents),
            "amounts_unknown": self.unknown,
        }  # fmt: skip


def totals_of(changes: Iterable[Change]) -> Totals:
    """The totals of changes."""
    total = Totals()
    for change in changes:
        total = total.plus(change)
    return total


def rows(changes: Iterable[tuple[PatientMonth, Change]]) -> list[bytes]:
    """The changes as they stand in a plan, a line each."""
    return [orjson.dumps(change.row(month), option=_SORTED) for month, change in changes]


def write(header: Mapping[str, Any], changes: Iterable[bytes]) -> bytes:
    """The bytes of a plan: a change a line, so that people can compare plans with the tools they have."""
    body = _body(header, changes)
    return _body({**header, "digest": sha256(body).hexdigest()}, changes)


def _body(header: Mapping[str, Any], changes: Iterable[bytes]) -> bytes:
    listed = b",\n".join(changes)
    members = {
        **{name: orjson.dumps(value, option=_SORTED) for name, value in header.items()},
        "changes": b"[\n" + listed + b"\n]" if listed else b"[]",
    }
    return b"{" + b",\n".join(b'"%b":%b' % (name.encode(), members[name]) for name in sorted(members)) + b"}\n"


class Plan(NamedTuple):
    """A plan that was read; `document` is all of it."""

    document: Row

    @property
    def digest(self) -> str:
        """The digest over everything in it."""
        return str(self.document["digest"])

    @property
    def changes(self) -> list[Row]:
        """The lines that change."""
        found: list[Row] = self.document["changes"]
        return found

    @property
    def scope(self) -> Row:
        """What was asked: tenant, first and last month, site, family, facts left out."""
        found: Row = self.document["scope"]
        return found

    @property
    def rulebook(self) -> Rulebook | None:
        """The other rule set; None where the facts and not the rules are others. Raises LedgerError where it was changed."""
        document = self.document["rules"]
        if document is None:
            return None
        try:
            book = compile_rulebook(document)
        except RuleError as error:
            raise LedgerError(f"the plan was edited: its rules cannot be followed: {error}; make it again") from None
        if book.digest != self.document["rule_set_to_digest"]:
            raise LedgerError("the plan was edited: its rules are not those it names; make it again")
        return book


def history_of(histories: Mapping[str, Row]) -> str:
    """The fingerprint of the tenants' histories."""
    return sha256(orjson.dumps(histories, option=_SORTED)).hexdigest()


OF_THE_MOMENT: Final = frozenset({"digest", "history", "histories"})
"""Fields that events of other months change, too."""


def parse(raw: bytes) -> Plan:
    """A plan that was just made."""
    return Plan(orjson.loads(raw))


def read(path: Path) -> Plan:
    """The plan in a file; raises LedgerError where the file is none, or was changed since it was written."""
    try:
        raw = path.read_bytes()
        document = orjson.loads(raw)
    except OSError as error:
        raise LedgerError(f"the plan cannot be read: {error.strerror}: {path}") from None
    except ValueError:
        raise LedgerError(f"{path} is no replay plan: it is not JSON; name a file that `caremonth replay plan` wrote") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise LedgerError(f"{path} is no replay plan of the form {FORMAT}; name a file that `caremonth replay plan` of this program wrote")
    if raw != _rewritten(document):
        raise LedgerError(
            "the plan was edited since it was made: its bytes are not those of its digest; make it again, nothing was changed"
        )
    return Plan(document)


def _rewritten(document: Row) -> bytes | None:
    header = {name: value for name, value in document.items() if name not in ("changes", "digest")}
    changes = document.get("changes")
    return write(header, [orjson.dumps(row, option=_SORTED) for row in changes]) if isinstance(changes, list) else None
