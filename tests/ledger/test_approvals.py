"""What is said of rule sets: who approved or retired which, why, and which may then be put in force."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection

from domain.rulebook import Rulebook
from ledger import Ledger, LedgerError, activations, approvals, open_ledger, schema
from ledger.activations import Activation
from ledger.approvals import Approval
from ledger.database import reading
from ledger.retry import transaction
from ledger.rule_files import PACKAGED, load_rulebook
from ledger.rules import store as store_book
from ledger.rules import stored_book

INVENTED = Path(__file__).resolve().parent.parent / "data" / "rules"
NOON = 1_790_000_000
WHY = "the fee schedule was read wrong"


@pytest.fixture
def ledger(store: str) -> Iterator[Ledger]:
    """A ledger that is decided by the two invented families."""
    with open_ledger(store, INVENTED) as opened:
        opened.ingest([])
        yield opened


@pytest.fixture
def draft(tmp_path: Path) -> Rulebook:
    """A draft beside them: W0001 asks for 25 minutes."""
    return rules(tmp_path / "draft", "active", "draft")


def rules(folder: Path, *edits: str) -> Rulebook:
    """A copy of the invented rules of another id, edited: (old, new) in ruleset.yaml; W0001 asks for 25 minutes."""
    shutil.copytree(INVENTED, folder)
    header, wound = folder / "ruleset.yaml", folder / "wound.yaml"
    text = header.read_text(encoding="utf-8").replace('"test"', '"next"')
    header.write_text(text.replace(*edits) if edits else text, encoding="utf-8")  # type: ignore[arg-type]
    wound.write_text(wound.read_text(encoding="utf-8").replace("value: 20,", "value: 25,"), encoding="utf-8")
    return load_rulebook(folder)


def approve(ledger: Ledger, book: Rulebook, by: str = "Ada", reason: str = WHY, at: int = NOON) -> Rulebook:
    return transaction(ledger.engine, lambda connection: approvals.approve(connection, book, by, reason, at))


def retire(ledger: Ledger, digest: str, by: str = "Ada") -> None:
    transaction(ledger.engine, lambda connection: approvals.retire(connection, digest, by, "taken out of use", NOON))


def state(ledger: Ledger, book: Rulebook) -> str:
    with reading(ledger.engine) as connection:
        return approvals.state_of(connection, book.digest)


def require(ledger: Ledger, book: Rulebook) -> None:
    with reading(ledger.engine) as connection:
        approvals.require_applicable(connection, book)


def test_given_a_draft_when_someone_approves_it_then_it_is_kept_whole_with_who_and_why(ledger: Ledger, draft: Rulebook) -> None:
    with pytest.raises(LedgerError, match=r"rule set next \(.{12}\) is a draft; approve it with"):
        require(ledger, draft)
    assert approve(ledger, draft).id == "next"
    require(ledger, draft)
    with reading(ledger.engine) as connection:
        assert approvals.latest(connection) == {draft.digest: Approval(1, draft.digest, "approved", "Ada", WHY, NOON)}
        assert stored_book(connection, draft.digest) == draft
        assert stored_book(connection, draft.digest).document == draft.document
    assert state(ledger, draft) == "approved"
    assert ledger.verify() == []


def test_given_an_approved_set_when_it_is_retired_then_it_may_not_be_used_until_approved_again(ledger: Ledger, draft: Rulebook) -> None:
    approve(ledger, draft)
    retire(ledger, draft.digest)
    assert state(ledger, draft) == "retired"
    with pytest.raises(LedgerError, match="is retired; approve it"):
        require(ledger, draft)
    approve(ledger, draft, by="Grace")
    require(ledger, draft)
    with reading(ledger.engine) as connection:
        assert approvals.latest(connection)[draft.digest][:4] == (3, draft.digest, "approved", "Grace")


def test_given_the_set_in_force_when_someone_would_retire_it_then_it_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="is in force in this ledger; put another in force in its place first"):
        retire(ledger, ledger.rulebook.digest)
    assert state(ledger, ledger.rulebook) == "active"


def test_given_a_proposal_then_it_is_neither_approved_nor_applicable(ledger: Ledger) -> None:
    proposal = load_rulebook(PACKAGED / "proposed-2027")
    for ask in (approve, require):
        with pytest.raises(LedgerError, match=r"2027-proposed .* is only proposed"):
            ask(ledger, proposal)
    with reading(ledger.engine) as connection:
        assert approvals.latest(connection) == {}
        assert approvals.stored(connection) == [ledger.rulebook.digest]


@pytest.mark.parametrize(("lifecycle", "applicable"), [("draft", False), ("approved", True), ("active", True), ("retired", False)])
def test_given_nobody_said_anything_then_the_lifecycle_in_the_files_counts(
    ledger: Ledger, tmp_path: Path, lifecycle: str, applicable: bool
) -> None:
    book = rules(tmp_path / "other", "lifecycle: active", f"lifecycle: {lifecycle}")
    if applicable:
        require(ledger, book)
        return
    with pytest.raises(LedgerError, match=f"is {'a ' if lifecycle == 'draft' else ''}{lifecycle}"):
        require(ledger, book)


def test_given_the_same_word_twice_then_it_is_kept_once_and_that_of_another_person_beside_it(ledger: Ledger, draft: Rulebook) -> None:
    for by in ("Ada", "Ada", "Grace"):
        approve(ledger, draft, by=by)
    with reading(ledger.engine) as connection:
        assert approvals.latest(connection)[draft.digest].seq == 2


@pytest.mark.parametrize(("by", "reason"), [("", WHY), ("Ada", " ")])
def test_given_nobody_or_no_reason_then_nothing_is_kept(ledger: Ledger, draft: Rulebook, by: str, reason: str) -> None:
    with pytest.raises(LedgerError, match="give both --by and --reason"):
        approve(ledger, draft, by, reason)
    with reading(ledger.engine) as connection:
        assert approvals.stored(connection) == [ledger.rulebook.digest]


def test_given_an_id_that_is_taken_then_the_approved_set_gets_one_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    book = rules(tmp_path / "same", '"next"', '"test"')
    kept = approve(ledger, book)
    assert kept.id == f"test+{book.digest[:8]}"
    with reading(ledger.engine) as connection:
        assert approvals.stored(connection, kept.id) == approvals.stored(connection, book.digest[:6]) == [book.digest]
        assert approvals.stored(connection, "test") == [ledger.rulebook.digest]
        assert approvals.stored(connection, book.digest[:5]) == []
    assert ledger.verify() == []


def test_given_tenants_under_different_sets_then_closed_months_are_held_against_the_set_of_their_tenant(
    ledger: Ledger, draft: Rulebook
) -> None:
    """East has 25 minutes in 2025 and 20 else, west 20 always: what each closed under these needs no note, what the other closed does."""
    months = [("east", "2025-03"), ("west", "2025-04"), ("east", "2026-01")]

    def work(connection: Connection) -> None:
        store_book(connection, draft)
        activations.append(connection, Activation(0, "east", "2025-01", "2025-12", draft.digest, None, None, "Ada", WHY, NOON))
        rows = [
            {"seq": seq, "tenant": tenant, "month": month, "site": None, "identity": f"{seq}", "time": NOON}
            for seq, (tenant, month) in enumerate(months, 1)
        ]
        connection.execute(schema.closures.insert(), rows)

    first = ledger.rulebook
    transaction(ledger.engine, work)
    with reading(ledger.engine) as connection:
        assert approvals.in_force(connection) == [first.digest, draft.digest]
        assert approvals.closed_under(connection) == {draft.digest: {"2025-03"}, first.digest: {"2025-04", "2026-01"}}
        told = [approvals.unexplained_in(connection, book) for book in (draft, load_rulebook(INVENTED))]
    assert [[str(error).partition("because ")[2] for error in errors] for errors in told] == [
        ["2025-04, 2026-01 are closed in the ledger, found another value of 'minutes' without one"],
        ["2025-03 is closed in the ledger, found another value of 'minutes' without one"],
    ]
    with pytest.raises(LedgerError, match="is in force in this ledger"):
        retire(ledger, draft.digest)


def test_given_sets_of_one_id_approved_at_once_then_each_gets_an_id_and_a_number_of_its_own(store: str, tmp_path: Path) -> None:
    """Each from a connection of its own, as commands are."""
    books = [rules(tmp_path / f"{number}", "Two invented families", f"Families of person {number}") for number in range(6)]

    def say(book: Rulebook) -> str:
        with open_ledger(store) as mine:
            return approve(mine, book).id

    with open_ledger(store, INVENTED) as ledger:
        ledger.ingest([])
        with ThreadPoolExecutor(len(books)) as pool:
            names = list(pool.map(say, books))
        with reading(ledger.engine) as connection:
            said = approvals.latest(connection)
    assert sorted(row.seq for row in said.values()) == [1, 2, 3, 4, 5, 6]
    assert names.count("next") == 1
    assert {*names} == {"next"} | {f"next+{book.digest[:8]}" for book, name in zip(books, names, strict=True) if name != "next"}


def test_given_a_digest_that_is_not_kept_then_there_is_no_state_of_it(ledger: Ledger, draft: Rulebook) -> None:
    with pytest.raises(LedgerError, match=f"a rule set {draft.digest[:12]} that is not in it"):
        state(ledger, draft)
