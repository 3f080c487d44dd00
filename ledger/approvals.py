"""What was said of rule sets: which are approved, which are retired, by whom and why. Rows are added, never changed."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, select

from domain.rule_notes import unexplained
from domain.rulebook import Rulebook
from domain.rulebook_reader import RuleError
from ledger import locks, schema
from ledger.errors import LedgerError
from ledger.rules import named, rules_of, store, stored_book

APPROVED: Final = "approved"
RETIRED: Final = "retired"
DRAFT: Final = "draft"
IN_FORCE: Final = "active"
"""The state of a rule set that decides something, whatever was said of it."""
_SHOWN: Final = 12
PREFIX: Final = 6
"""The least digits by which a digest is known."""


class Approval(NamedTuple):
    """What `by` said of a rule set, and why; `at` in epoch seconds."""

    seq: int
    digest: str
    state: str
    by: str
    reason: str
    at: int


def approve(connection: Connection, rulebook: Rulebook, by: str, reason: str, at: int) -> Rulebook:
    """Keep a rule set whole, and that it is approved; returns it under the id it has in the ledger.

    Raises LedgerError for a proposal, and where values of closed months change without a note.
    """
    require_final(rulebook)
    locks.setup(connection)  # of two sets of one id at once, the second has to see the first, or both keep that id
    objections = unexplained_in(connection, rulebook)
    if objections:
        raise LedgerError(
            f"rule set {_told(rulebook)} cannot be approved: {len(objections)} of its values are others than those that months were closed "
            "under, without a note that says why; `caremonth rules check DIR` lists them"
        )
    kept = named(connection, rulebook)
    store(connection, kept)
    _say(connection, rulebook.digest, APPROVED, by, reason, at)
    return kept


def retire(connection: Connection, digest: str, by: str, reason: str, at: int) -> None:
    """Keep that a rule set is not to be put in force any more; LedgerError for one that is in force."""
    locks.setup(connection)
    if digest in in_force(connection):
        raise LedgerError(f"rule set {digest[:_SHOWN]} is in force in this ledger; put another in force in its place first")
    _say(connection, digest, RETIRED, by, reason, at)


def require_applicable(connection: Connection, rulebook: Rulebook) -> None:
    """LedgerError for rules that are only proposed, and for a draft or a retired set that nobody has approved since."""
    require_final(rulebook)
    state = _state(rulebook, latest(connection).get(rulebook.digest))
    if state in (DRAFT, RETIRED):
        raise LedgerError(
            f"rule set {_told(rulebook)} is {'a draft' if state == DRAFT else state}; "
            "approve it with `caremonth rules approve DIR --by WHO --reason WHY`"
        )


def reservations(connection: Connection, rulebook: Rulebook) -> list[str]:
    """What speaks against putting a rule set in force without forbidding it: nobody has approved it here, so that the word of its files is
    taken for it; values of closed months change without a note."""
    found, said = [], latest(connection).get(rulebook.digest)
    if said is None and rulebook.digest not in in_force(connection):
        found.append(
            f"nobody has approved rule set {_told(rulebook)} in this ledger: the lifecycle in its files is taken for it; "
            "`caremonth rules approve DIR --by WHO --reason WHY` says who did"
        )
    objections = len(unexplained_in(connection, rulebook))
    if objections:
        found.append(
            f"{objections} values of rule set {_told(rulebook)} are others than those that months were closed under, without a note that "
            "says why; `caremonth rules check DIR` lists them"
        )
    return found


def require_final(rulebook: Rulebook) -> None:
    """LedgerError for rules that are only proposed."""
    if rulebook.legal_status != "final":
        raise LedgerError(f"rule set {_told(rulebook)} is only proposed: it can be looked at, and nothing is billed by it")


def state_of(connection: Connection, digest: str) -> str:
    """What was last said of a stored rule set, else the lifecycle in its own files; LedgerError for one that is not stored."""
    return _state(stored_book(connection, digest), latest(connection).get(digest))


def latest(connection: Connection) -> dict[str, Approval]:
    """What was last said of each rule set, by digest."""
    t = schema.approvals
    return {row.digest: Approval._make(row) for row in connection.execute(select(t).order_by(t.c.seq))}


def in_force(connection: Connection) -> list[str]:
    """Digests of the rule sets that decide something in this ledger; that of the months to come first."""
    rules = rules_of(connection)
    later = [rules.latest().digest] if rules.rows else []
    return list(dict.fromkeys([*later, *sorted(rules.in_force)]))


def closed_under(connection: Connection) -> dict[str, set[str]]:
    """The closed months (YYYY-MM) of any tenant or site, by the digest of the rule set that decides them."""
    t, rules = schema.closures.c, rules_of(connection)
    found: dict[str, set[str]] = {}
    for tenant, month in connection.execute(select(t.tenant, t.month).distinct()):
        found.setdefault(rules.at(tenant, month).digest, set()).add(month)
    return found


def unexplained_in(connection: Connection, rulebook: Rulebook) -> list[RuleError]:
    """Where a rule set changes values of months closed in this ledger, and no note says why; each place once."""
    found = [
        error
        for digest, months in sorted(closed_under(connection).items())
        for error in unexplained(stored_book(connection, digest).document, rulebook.document, months)
    ]
    return list({str(error): error for error in found}.values())


def stored(connection: Connection, word: str = "") -> list[str]:
    """Digests of stored rule sets, by id; of those with this id, or with a digest that begins so (from 6 digits on)."""
    t = schema.rule_sets.c
    rows = connection.execute(select(t.digest, t.id).order_by(t.id, t.digest)).all()
    return [digest for digest, identifier in rows if not word or identifier == word or (len(word) >= PREFIX and digest.startswith(word))]


def _state(rulebook: Rulebook, said: Approval | None) -> str:
    header = rulebook.document["ruleset"]
    own = str(header["lifecycle"]) if isinstance(header, dict) else DRAFT
    return said.state if said else own


def _say(connection: Connection, digest: str, state: str, by: str, reason: str, at: int) -> None:
    """Add a row; the same word of the same person again adds none."""
    if not by.strip() or not reason.strip():
        raise LedgerError("who says so and why are kept for good; give both --by and --reason")
    said = latest(connection).get(digest)
    if said and (said.state, said.by, said.reason) == (state, by, reason):
        return
    last = connection.execute(select(func.max(schema.approvals.c.seq))).scalar() or 0
    connection.execute(insert(schema.approvals).values(Approval(last + 1, digest, state, by, reason, at)._asdict()))


def _told(rulebook: Rulebook) -> str:
    return f"{rulebook.id} ({rulebook.digest[:_SHOWN]})"
