"""What a patient-month will come to under other rules is what it comes to once they hold."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import select

from caremonth.sample import TENANT, sample
from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.settlement import PatientMonth, Row
from ledger import Ledger, applying, open_ledger, plans, schema
from ledger.applying import Word
from ledger.database import reading
from ledger.errors import UnknownPatientError
from ledger.outlook import outlook
from ledger.plan_parts import Scope
from ledger.planning import make
from ledger.rule_files import PACKAGED, load_document
from ledger.rules import Rules

FIRST: Final = "2026-06"
WORD: Final = Word("R", "a test", 1_793_577_600)


def other_rules() -> Rulebook:
    """Medical assistants may not do staff work in CCM, and what is additional in CPM takes longer."""
    document: dict[str, Any] = deepcopy(dict(load_document(PACKAGED)))
    document["families"]["cpm"]["track"]["codes"]["G3003"]["minutes"][0]["value"] = 20
    for version in document["families"]["ccm"]["tracks"]["staff"]["roles"]:
        version["value"] = [role for role in version["value"] if role != "ma"]
    return compile_rulebook(document)


def close(month: str, at: str) -> list[tuple[str, bytes]]:
    data = f'{{"month":"{month}","at":"{at}","by":"R"}}'
    event = (
        f'{{"specversion":"1.0","id":"close-{month}","source":"/t","type":"care.month.closed.v1","tenant":"{TENANT}",'
        f'"subject":"{TENANT}","time":"{at}","data":{data}}}'
    )
    return [("test", event.encode())]


@pytest.fixture
def filled(store: str) -> Ledger:
    ledger = open_ledger(store)
    ledger.ingest(("test", line.encode()) for line in sample(14, 2, 3, 1, first_month=FIRST))
    return ledger


def looked(ledger: Ledger, rules: Rules) -> dict[PatientMonth, Row]:
    """The reason tree of every patient-month under some rules."""
    with reading(ledger.engine) as connection:
        keys = connection.execute(select(schema.months.c.key)).scalars().all()
        return {one: outlook(connection, rules, one).tree for one in (PatientMonth(*key.split("/")) for key in keys)}


def explained(ledger: Ledger, months: dict[PatientMonth, Row]) -> dict[PatientMonth, Row]:
    return {one: ledger.explain(*one) for one in months}


def test_under_the_rules_that_hold_it_is_the_explanation_and_under_others_what_that_becomes(filled: Ledger) -> None:
    with filled as ledger:
        ledger.ingest(close(FIRST, "2026-07-06T00:00:00Z"))
        plan = plans.parse(make(ledger.engine, other_rules(), Scope(), workers=1))
        book = plan.rulebook
        assert book is not None
        now = looked(ledger, ledger.rules)
        assert now == explained(ledger, now)
        then = looked(ledger, ledger.rules.beside(replace(book, id=plan.document["rule_set_to"]), None, None, None))
        applying.apply(ledger.engine, plan, WORD, settle=ledger.settle)
        assert explained(ledger, then) == then
        assert {one["effect"] for one in plan.changes} == {"line", "adjustment"}


def test_a_close_that_waits_is_looked_at_as_carried_out(filled: Ledger) -> None:
    with filled as ledger:
        ledger.take(ledger.read(close(FIRST, "2026-07-06T00:00:00Z")))
        before = looked(ledger, ledger.rules)
        ledger.settle()
        assert before == explained(ledger, before)
        assert any(line["status"] == "closed" for tree in before.values() for one in tree["programs"] for line in one["lines"])


def test_of_an_unknown_patient_nothing_can_be_said(filled: Ledger) -> None:
    with filled as ledger, reading(ledger.engine) as connection, pytest.raises(UnknownPatientError, match="nothing is known"):
        outlook(connection, ledger.rules, PatientMonth(TENANT, "nobody", FIRST))
