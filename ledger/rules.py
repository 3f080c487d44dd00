"""Which rules a ledger is decided by: the rule set is stored whole with what it decided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy import Connection, Engine, select

from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from ledger import locks, schema
from ledger.database import insert_new, reading, upsert_all, writing
from ledger.errors import LedgerError, RulesDifferError
from ledger.rule_files import PACKAGED, RuleFileError, load_rulebook, packaged_fingerprint

ACTIVE: Final = "rules"
FINGERPRINT: Final = "rules_fingerprint"


def rulebook_for(engine: Engine, directory: Path | None = None) -> Rulebook:
    """The ledger's rules, if the program carries the same; a new ledger takes on the program's.

    The files' bytes are compared first, so that the usual case parses none of them. Raises RulesDifferError.
    """
    files = directory or PACKAGED
    with reading(engine) as connection:
        active, fingerprint = setting(connection, ACTIVE), setting(connection, FINGERPRINT)
        stored = document_of(connection, active) if active else None
    if stored is not None and fingerprint == _fingerprint(files):
        return compile_rulebook(orjson.loads(stored))
    carried = load(files)
    if active is not None and active != carried.digest:
        raise _differ(carried, active, stored)
    with writing(engine) as connection:
        locks.setup(connection)
        active = setting(connection, ACTIVE)
        if active not in (None, carried.digest):
            raise _differ(carried, active, document_of(connection, active))
        adopt(connection, carried, _fingerprint(files))
    return carried


def _differ(carried: Rulebook, active: str, stored: bytes | None) -> RulesDifferError:
    return RulesDifferError(
        f"the ledger was decided by rule set {_name(stored)} ({active[:12]}), "
        f"this program carries {carried.id} ({carried.digest[:12]}); "
        "point --rules to the rules of the ledger, or start a new ledger and ingest the events into it under the new ones"
    )


def load(directory: Path) -> Rulebook:
    """The rules in a directory; raises LedgerError with file and line where they cannot be followed."""
    try:
        return load_rulebook(directory)
    except (RuleFileError, OSError) as error:
        raise LedgerError(f"the rule files cannot be followed: {error}") from None


def adopt(connection: Connection, rulebook: Rulebook, fingerprint: str) -> None:
    """Store a rule set whole and make it the ledger's."""
    store(connection, rulebook)
    upsert_all(connection, schema.settings, [{"name": ACTIVE, "value": rulebook.digest}, {"name": FINGERPRINT, "value": fingerprint}])


def store(connection: Connection, rulebook: Rulebook) -> None:
    """Store a rule set whole, under its id; one whose id another set has is to have been `named` before."""
    document = orjson.dumps(rulebook.document, option=orjson.OPT_SORT_KEYS)
    insert_new(connection, schema.rule_sets, [{"digest": rulebook.digest, "id": rulebook.id, "document": document}])


def named(connection: Connection, rulebook: Rulebook) -> Rulebook:
    """The rule set under an id that no other set of the ledger has: with a part of its digest where the files' id is taken."""
    t = schema.rule_sets.c
    ids = {row.digest: row.id for row in connection.execute(select(t.digest, t.id))}
    if rulebook.digest in ids:
        return replace(rulebook, id=ids[rulebook.digest])
    return replace(rulebook, id=f"{rulebook.id}+{rulebook.digest[:8]}") if rulebook.id in ids.values() else rulebook


def stored_book(connection: Connection, digest: str) -> Rulebook:
    """A stored rule set; raises LedgerError where there is none of this digest."""
    t = schema.rule_sets.c
    row = connection.execute(select(t.id, t.document).where(t.digest == digest)).first()
    if row is None:
        raise LedgerError(f"the ledger names a rule set {digest[:12]} that is not in it; restore the ledger from a copy")
    return replace(compile_rulebook(orjson.loads(row.document)), id=row.id)


def setting(connection: Connection, name: str) -> str | None:
    """A setting of the ledger."""
    value: str | None = connection.execute(select(schema.settings.c.value).where(schema.settings.c.name == name)).scalar()
    return value


def document_of(connection: Connection, digest: str) -> bytes | None:
    """A stored rule set's document."""
    value: bytes | None = connection.execute(select(schema.rule_sets.c.document).where(schema.rule_sets.c.digest == digest)).scalar()
    return value


def _fingerprint(directory: Path) -> str:
    try:
        return packaged_fingerprint(directory)
    except OSError as error:
        raise LedgerError(f"the rule files cannot be read: {error.strerror}: {error.filename}") from None


def _name(document: bytes | None) -> str:
    ruleset = orjson.loads(document).get("ruleset", {}) if document else {}
    return str(ruleset.get("id", "(unnamed)"))
