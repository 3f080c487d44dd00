"""Which rule set holds where, after any number of activations and of their being taken back."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import LedgerError, activations, open_ledger
from ledger.activations import Activation
from ledger.database import reading, writing
from ledger.rules import Rules, ledger_rules, named, store
from tests.ledger.other_rules import FIVE, addon_of_20_minutes, book, ledger_under, no_medical_assistants, packaged, rules_of

MONTHS = ["2025-11", "2025-12", "2026-01", "2026-02", "2026-03"]


class Said(NamedTuple):
    """An activation in short."""

    tenant: str | None = None
    first: str | None = None
    last: str | None = None
    reverts: int | None = None


def rows(*said: Said) -> list[Activation]:
    """The rows of a ledger; each has a rule set named after its number."""
    return [
        Activation(number, one.tenant, one.first, one.last, f"set {number}", one.reverts, None, "pat", "why", number)
        for number, one in enumerate(said, 1)
    ]


def holding(known: list[Activation], tenant: str, month: str) -> int:
    """The number of the row that decides, found the slow way: the latest that covers it and was not taken back."""
    gone = {row.reverts for row in known}
    return max(row.seq for row in known if row.reverts is None and row.seq not in gone and row.covers(tenant, month))


@pytest.mark.parametrize(
    ("said", "tenant", "month", "holds"),
    [
        (Said(), "acme", "2026-01", True),
        (Said("acme"), "acme", "2026-01", True),
        (Said("bolt"), "acme", "2026-01", False),
        (Said(None, "2026-01"), "acme", "2026-01", True),
        (Said(None, "2026-01"), "acme", "2025-12", False),
        (Said(None, None, "2026-01"), "acme", "2026-01", True),
        (Said(None, None, "2026-01"), "acme", "2026-02", False),
        (Said("acme", "2026-01", "2026-01"), "acme", "2026-01", True),
    ],
)
def test_a_row_speaks_of_its_tenant_and_its_months(said: Said, tenant: str, month: str, holds: bool) -> None:
    assert rows(said)[0].covers(tenant, month) is holds


@pytest.mark.parametrize(
    ("earlier", "later", "hidden"),
    [
        (Said(), Said(), True),
        (Said("acme"), Said(), True),
        (Said(), Said("acme"), False),
        (Said(None, "2026-01", "2026-03"), Said(None, "2026-01", "2026-03"), True),
        (Said(None, "2026-01", "2026-03"), Said(None, "2026-01"), True),
        (Said(None, "2026-01"), Said(None, "2026-01", "2026-03"), False),
        (Said(None, "2026-01", "2026-03"), Said(None, "2026-02", "2026-03"), False),
        (Said(None, "2026-01", "2026-03"), Said("acme", "2026-01", "2026-03"), False),
    ],
)
def test_a_row_under_a_later_one_that_covers_all_of_it_decides_nothing(earlier: Said, later: Said, hidden: bool) -> None:
    known = rows(Said(), earlier, later)
    assert known[2].hides(known[1]) is hidden
    assert (known[1] not in activations.visible(known)) is hidden


def test_a_row_that_was_taken_back_counts_no_more_and_gives_way_to_what_was_before() -> None:
    known = rows(Said(), Said(None, "2026-01"), Said("acme"), Said(reverts=3), Said(reverts=2))
    assert [row.seq for row in activations.standing(known[:3])] == [3, 2, 1]
    assert [row.seq for row in activations.standing(known[:4])] == [2, 1]
    assert [row.seq for row in activations.standing(known)] == [1]


SAID = st.builds(
    lambda tenant, ends: Said(tenant, *(ends if None in ends else sorted(ends))),
    st.sampled_from([None, "acme", "bolt"]),
    st.tuples(st.sampled_from([None, *MONTHS]), st.sampled_from([None, *MONTHS])),
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(SAID, max_size=6), st.sets(st.integers(2, 7)))
def test_the_rows_at_hand_name_for_every_month_the_latest_that_holds(said: list[Said], taken_back: set[int]) -> None:
    """Given any activations, some taken back, then the few that are looked at decide as all of them do."""
    known = rows(Said(), *said, *(Said(reverts=seq) for seq in sorted(taken_back) if seq <= len(said) + 1))
    at_hand = activations.visible(known)
    for tenant in ("acme", "bolt", "coil"):
        for month in MONTHS:
            assert next(row.seq for row in at_hand if row.covers(tenant, month)) == holding(known, tenant, month)


def test_a_new_ledger_has_one_activation_of_the_programs_rules() -> None:
    with open_ledger("sqlite://") as ledger:
        assert ledger.rulebook.digest == packaged().digest
        with reading(ledger.engine) as connection:
            (row,) = activations.after(connection, 0)
    assert (row.tenant, row.first, row.last, row.digest, row.reverts, row.plan) == (None, None, None, packaged().digest, None, None)
    assert (row.by, row.reason) == (activations.PROGRAM, activations.FIRST_REASON)


def test_a_ledger_without_events_has_no_rules_yet() -> None:
    with open_ledger("sqlite://", own_rules=True) as ledger, pytest.raises(LedgerError, match="ingest events first"):
        _ = ledger.rules


def test_rules_that_were_read_learn_of_what_came_since() -> None:
    """Given rules at hand, when another row is written, then the next look has it, for its tenant and months and none besides."""
    other = book(addon_of_20_minutes)
    with open_ledger("sqlite://") as ledger:
        rules = ledger.rules
        with writing(ledger.engine) as connection:
            store(connection, named(connection, other))
            row = Activation(0, "acme", "2026-01", "2026-02", other.digest, None, "plan", "pat", "why", 7)
            assert activations.append(connection, row).seq == 2
        assert rules.at("acme", "2026-01").digest == packaged().digest
        with reading(ledger.engine) as connection:
            rules.refresh(connection)
        found = {(tenant, month): rules.at(tenant, month).digest == other.digest for tenant in ("acme", "bolt") for month in MONTHS}
        assert {key for key, is_other in found.items() if is_other} == {("acme", "2026-01"), ("acme", "2026-02")}
        assert rules.times("acme", "2026-01") == [0, 7]
        assert rules.times("bolt", "2026-01") == rules.times("acme", "2026-03") == [0]
        assert rules.in_force == {packaged().digest, other.digest}


def test_sets_of_one_id_are_told_apart_by_their_digest() -> None:
    """Given two sets whose files have the same id, then the second is named with a part of its digest, and by that name from then on."""
    one, other = book(addon_of_20_minutes), book(no_medical_assistants)
    with ledger_under(one) as ledger, writing(ledger.engine) as connection:
        assert named(connection, one).id == one.id == other.id
        store(connection, named(connection, other))
        assert named(connection, other).id == f"{one.id}+{other.digest[:8]}"


def test_what_one_more_activation_would_mean_is_asked_without_writing_it() -> None:
    """Given three activations, then the rules beside them and the rules without one are those that writing would make."""
    sets = [book(edit) for edit in FIVE.values()]
    with ledger_under(sets[0]) as ledger:
        asked = rules_of(ledger).beside(sets[1], "acme", "2026-01", None)
        with writing(ledger.engine) as connection:
            store(connection, named(connection, sets[1]))
            activations.append(connection, Activation(0, "acme", "2026-01", None, sets[1].digest, None, "p", "pat", "why", 1))
        written = rules_of(ledger)
        assert digests(asked) == digests(written)
        assert digests(written.without(2)) == dict.fromkeys(digests(written), sets[0].digest)


def digests(rules: Rules) -> dict[tuple[str, str], str]:
    """The rule set of each tenant's months."""
    return {(tenant, month): rules.at(tenant, month).digest for tenant in ("acme", "bolt") for month in MONTHS}


def test_a_ledger_that_names_a_set_it_has_not_says_so() -> None:
    with open_ledger("sqlite://") as ledger:
        assert ledger.rulebook.id
        with writing(ledger.engine) as connection:
            activations.append(connection, Activation(0, None, None, None, "f" * 64, None, None, "pat", "why", 1))
        with pytest.raises(LedgerError, match="names a rule set ffffffffffff that is not in it"):
            ledger_rules(ledger.engine)
