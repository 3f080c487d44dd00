"""Which rules a ledger is decided by: the rule set is stored whole with what it decided."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
from sqlalchemy import Connection, Engine, select

from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from ledger import locks, schema
from ledger.database import insert_new, reading, upsert_all, writing
from ledger.errors import LedgerError, RulesDifferError
from ledger.rule_files import PACKAGED, RuleFileError, load_document, packaged_fingerprint

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
        return compile_rulebook(load_document(directory))
    except (RuleFileError, OSError) as error:
        raise LedgerError(f"the rule files cannot be followed: {error}") from None


def adopt(connection: Connection, rulebook: Rulebook, fingerprint: str) -> None:
    """Store a rule set whole and make it the ledger's."""
    document = orjson.dumps(rulebook.document, option=orjson.OPT_SORT_KEYS)
    insert_new(connection, schema.rule_sets, [{"digest": rulebook.digest, "id": rulebook.id, "document": document}])
    upsert_all(connection, schema.settings, [{"name": ACTIVE, "value": rulebook.digest}, {"name": FINGERPRINT, "value": fingerprint}])


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
