"""`rules list`, `rules show` and `rules check`: what they say as data and as text."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from caremonth.rules_cli import UnknownCodeError, list_text, rules_check, rules_list, rules_show, show_text, spell, standing
from domain.rulebook import Rulebook
from ledger.approvals import Approval
from ledger.rule_files import PACKAGED, load_rulebook


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook(PACKAGED)


def printed(part: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=200).print(part)
    return out.getvalue()


def test_the_list_names_rule_sets_codes_and_what_is_not_verified(book: Rulebook) -> None:
    final, proposed = rules_list(book, load_rulebook(PACKAGED / "proposed-2027"))
    assert (final["rule_set"], final["legal_status"], final["lifecycle"], final["digest"]) == ("2026.11", "final", "active", book.digest)
    assert (proposed["rule_set"], proposed["legal_status"], proposed["lifecycle"]) == ("2027-proposed", "proposed", "draft")
    assert final["warning"].startswith("Verified to the end of 2026.")
    label = "Chronic pain management, first 30 minutes"
    assert {"code": "G3002", "program": "CPM", "label": label, "from": "2023-01-01", "to": None} in final["codes"]
    assert len(final["codes"]) == 29


@pytest.mark.parametrize(
    ("said", "active", "state"),
    [
        (None, True, "active"),
        (None, False, "approved"),
        ("approved", False, "approved"),
        ("retired", False, "retired"),
        ("retired", True, "active"),
    ],
)
def test_a_rule_set_is_active_only_where_it_decides_something(book: Rulebook, said: str | None, active: bool, state: str) -> None:
    """The packaged files call themselves active; what was said of them stays beside the state."""
    word = Approval(1, book.digest, said, "Ada", "looked up", 0) if said else None
    row = standing(book, word, active)
    assert (row["state"], row["said"], row["at"]) == (state, said, "1970-01-01T00:00:00Z" if said else None)


def test_a_code_is_shown_with_its_dated_values_and_sources(book: Rulebook) -> None:
    shown = rules_show(book.document, "g3003")
    by_name = {row["name"]: row for row in shown["values"]}
    assert (shown["code"], shown["program"], shown["adds_to"], shown["kind"]) == ("G3003", "CPM", "G3002", None)
    assert by_name["minutes"] == {
        "name": "minutes", "from": "2023-01-01", "to": None, "is": 15, "source": ["CONTRACT-3.8", "ICD10CP"],
        "confidence": "S", "last_verified": "2026-11-22", "legal_status": "final",
    }  # fmt: skip
    assert by_name["in_force"]["is"] is True
    assert by_name["employment"]["is"] is None
    assert by_name["requirement condition"]["is"]["onset_months"] == 3
    assert [row["is"]["nonfacility"] for row in shown["values"] if row["name"] == "price"] == ["29.48", "29.80", "30.29", "29.44", "31.73"]
    assert [(row["to"], row["is"]["value"]) for row in shown["values"] if row["name"] == "unit limit"] == [("2026-03-31", 4), (None, 4)]
    assert set(shown["sources"]) == {key for row in shown["values"] for key in row["source"]}


def test_a_device_code_is_shown_with_its_windows_and_exclusions(book: Rulebook) -> None:
    shown = rules_show(book.document, "98975")
    days = [(row["from"], row["to"], row["is"]) for row in shown["values"] if row["name"] == "days"]
    assert days == [("2022-01-01", "2025-12-31", {"least": 16}), ("2026-01-01", None, {"least": 2})]
    assert {"window_days", "exclusion rpm-rtm"} <= {row["name"] for row in shown["values"]}
    assert rules_show(book.document, "99445")["kind"] == "physiologic"


def test_a_version_that_another_follows_ends_the_day_before() -> None:
    shown = rules_show(load_rulebook(PACKAGED / "proposed-2027").document, "99457")
    visits = [(row["from"], row["to"], row["legal_status"]) for row in shown["values"] if row["name"] == "visit"]
    assert visits == [("2022-01-01", "2026-12-31", "final"), ("2027-01-01", None, "proposed")]


def test_an_unknown_code_is_answered_with_those_there_are(book: Rulebook) -> None:
    with pytest.raises(UnknownCodeError, match=r"no rule for the code '99999': the codes of this rule set are 98975, .*G3003"):
        rules_show(book.document, "99999")


def test_the_check_says_what_is_wrong_or_nothing(tmp_path: Path) -> None:
    assert rules_check(PACKAGED) == []
    assert rules_check(PACKAGED / "proposed-2027") == []
    assert rules_check(tmp_path) == [f"{tmp_path}/ruleset.yaml:1: expected a file that can be read, found: No such file or directory"]


def test_texts_for_people_have_no_escapes_in_a_pipe(book: Rulebook) -> None:
    listed, shown = printed(list_text(rules_list(book))), printed(show_text(rules_show(book.document, "G3002")))
    assert "\x1b" not in listed + shown
    assert "G3002  Chronic pain management, first 30 minutes" in listed
    assert "one when 30:00 of the practitioner's own time are counted in the calendar month" in shown
    assert "HIPAASPACE: coding: hipaaspace.com" in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), (True, "yes"), (False, "no"), ([], "none"), (["a", "b"], "a b"), (3, "3"), ({"least": 2, "most": None}, "least 2")],
)
def test_values_are_spelled_in_words(value: object, text: str) -> None:
    assert spell(value) == text
