"""The life of a rule set on the command line: compared, checked against closed months, approved, retired."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from caremonth.rules_diff import key_in_words
from caremonth.sample import TENANT
from domain.rule_changes import histories
from ledger.rule_files import PACKAGED, load_document
from tests.caremonth.test_cli import Shell, filled, shell

__all__ = ["filled", "shell"]

OLD = "value: 15, source: [CONTRACT-3.8, ICD10CP]"
NEW = "value: 20, source: [CONTRACT-3.8, ICD10CP]"
NOTED = "value: 20, note: a page was read wrong, source: [CONTRACT-3.8, ICD10CP]"
WORDS = "one for each full 15:00 after the first 30:00"
WORD = ["--by", "Ada", "--reason", "the threshold was wrong"]


@pytest.fixture
def corrected(tmp_path: Path) -> Path:
    """The packaged rules under another id, with 20 minutes to each G3003 instead of 15, and no word of why."""
    folder = Path(shutil.copytree(PACKAGED, tmp_path / "corrected"))
    edit(folder / "ruleset.yaml", 'id: "2026.11"', 'id: "2026.12"')
    edit(folder / "cpm.yaml", OLD, NEW)
    return folder


@pytest.fixture
def closed(filled: Shell) -> Shell:
    """A ledger with 2026-03 closed."""
    assert filled("close", TENANT, "2026-03", "--at", "2026-04-05T10:00:00Z").code == 0
    return filled


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_given_a_corrected_threshold_then_the_difference_names_code_days_values_and_citations(shell: Shell, corrected: Path) -> None:
    cited = "docs/contract.md §3.8, ICD10CP (S, 2026-11-22, final)"
    ran = shell("rules", "diff", str(PACKAGED), str(corrected), "--json")
    assert ran.code == 0
    assert ran.rows[0] == {
        "family": "CPM", "code": "G3003", "key": "minutes", "from_date": "2023-01-01", "to_date": None, "value_from": 15, "value_to": 20,
        "citation_from": cited, "citation_to": cited, "change": "value",
    }  # fmt: skip
    assert [(row["key"], row["value_from"], row["value_to"]) for row in ran.rows[1:]] == [("id of the rule set", "2026.11", "2026.12")]
    heading, columns, *rows = shell("rules", "diff", str(PACKAGED), str(corrected)).out.splitlines()
    assert heading.startswith("2026.11 (")
    assert heading.endswith(": 2 values, 0 citations without another value")
    assert columns.split()[:6] == ["family", "code", "what", "from", "to", "was"]
    assert rows[0].split()[:6] == ["CPM", "G3003", "minutes", "2023-01-01", "15", "20"]


def test_given_a_value_cited_anew_then_the_difference_says_that_only_the_citation_is_another(shell: Shell, corrected: Path) -> None:
    edit(corrected / "cpm.yaml", NEW, "value: 15, note: looked up again, source: [ICD10CP]")
    row = shell("rules", "diff", str(PACKAGED), str(corrected), "--json").rows[0]
    assert (row["change"], row["value_from"], row["value_to"]) == ("citation only", 15, 15)
    assert row["citation_to"] == "ICD10CP (S, 2026-11-22, final; looked up again)"
    assert ": 1 value, 1 citation without another value" in shell("rules", "diff", str(PACKAGED), str(corrected)).out


def test_given_a_source_with_another_title_then_it_is_told_as_a_citation(shell: Shell, corrected: Path) -> None:
    edit(corrected / "sources.yaml", "title: reading of docs/contract.md §3.7", "title: the reading of docs/contract.md §3.7")
    row = shell("rules", "diff", str(PACKAGED), str(corrected), "--json").rows[-1]
    assert (row["key"], row["change"], row["value_to"]) == ("source CONTRACT-3.7", "citation only", None)
    assert row["citation_to"] == "kind contract, title the reading of docs/contract.md §3.7, cite docs/contract.md §3.7"


def test_given_ids_or_digests_then_rule_sets_are_compared_without_their_folders(shell: Shell) -> None:
    first, second = shell("rules", "list", "--json").rows
    by_id = shell("rules", "diff", "2026.11", "2027-proposed", "--json")
    assert by_id.rows == shell("rules", "diff", first["digest"][:6], second["digest"], "--json").rows != []
    assert shell("rules", "diff", "2026.11", str(PACKAGED)) == (0, "", "the two rule sets say the same\n")
    ran = shell("rules", "diff", "2026.11", first["digest"][:5])
    assert ran.code == 1
    assert ran.err == (
        f"caremonth: '{first['digest'][:5]}' is neither a folder nor a rule set; there are 2026.11 ({first['digest'][:12]}), "
        f"2027-proposed ({second['digest'][:12]})\n"
    )


@pytest.mark.parametrize("folder", [PACKAGED, PACKAGED / "proposed-2027", Path(__file__).parents[1] / "data" / "rules"])
def test_every_value_of_the_rule_files_has_words_for_people(folder: Path) -> None:
    words = {entry.key: key_in_words(entry) for entry in histories(load_document(folder))}
    named = {key: text for key, text in words.items() if key[0] not in ("sources", "notes", "exclusions") and "requirements" not in key}
    assert not {text for text in named.values() if "_" in text or not text}
    assert words["tracks", "staff", "roles"] == "track staff: who may do the work" if ("tracks", "staff", "roles") in words else True
    assert words["devices", "window_days"] == "devices: days of a device window"


def test_given_no_ledger_then_a_check_says_that_closed_months_were_not_looked_at(shell: Shell, corrected: Path) -> None:
    ran = shell("rules", "check", str(corrected))
    assert ran.code == 0
    assert "there is no ledger at this URL: whether values of closed months change was not looked at" in ran.err


def test_given_open_months_only_then_a_correction_needs_no_note(filled: Shell, corrected: Path) -> None:
    ran = filled("rules", "check", str(corrected))
    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"the rule files of {corrected} can be followed")


def test_given_a_value_that_a_codes_words_do_not_say_then_the_check_warns(filled: Shell, corrected: Path) -> None:
    """Given 20 minutes where the rule in words still says 15, then a warning names the line of those words; put right, there is none."""
    ran = filled("rules", "check", str(corrected))
    assert ran.err.startswith(f"warning: {corrected}/cpm.yaml:")
    assert "track.codes.G3003.rule: expected words for the new 'minutes' of G3003, found those of the old one" in ran.err
    edit(corrected / "cpm.yaml", WORDS, WORDS.replace("15", "20"))
    assert filled("rules", "check", str(corrected)).err == f"the rule files of {corrected} can be followed\n"


def test_given_another_stored_rule_set_then_a_code_is_shown_as_it_says(filled: Shell, corrected: Path) -> None:
    """Given an approved set, then its id or its folder shows its values; without one those in force are shown."""
    assert filled("rules", "approve", str(corrected), *WORD).code == 0

    def minutes(*option: str) -> tuple[str, list[int]]:
        shown = filled("rules", "show", "G3003", *option, "--json").rows[0]
        return shown["rule_set"], [row["is"] for row in shown["values"] if row["name"] == "minutes"]

    assert minutes() == ("2026.11", [15])
    assert minutes("--rule-set", "2026.12") == minutes("--rule-set", str(corrected)) == ("2026.12", [20])
    assert filled("rules", "show", "G3003", "--rule-set", "2026.13").err.startswith("caremonth: '2026.13' is neither a folder nor a rule")


def test_given_a_plan_of_rules_nobody_approved_then_it_is_carried_out_and_that_is_said(
    closed: Shell, corrected: Path, tmp_path: Path
) -> None:
    """Given files that call themselves active and change a closed month without a note, then plan and apply say so; approved, not."""
    plan = tmp_path / "plan.json"
    made = closed("replay", "plan", "--rules", str(corrected), "--out", str(plan))
    ran = closed("replay", "apply", str(plan), *WORD)
    assert (made.code, ran.code) == (0, 0)
    for told in (made.err, ran.err):
        assert "nobody has approved rule set 2026.12" in told
        assert "1 values of rule set 2026.12" in told
    edit(corrected / "cpm.yaml", NEW, NOTED)
    edit(corrected / "ruleset.yaml", 'id: "2026.12"', 'id: "2026.13"')
    assert closed("rules", "approve", str(corrected), *WORD).code == 0
    assert "note: " not in closed("replay", "plan", "--rules", str(corrected), "--out", str(plan)).err


def test_given_a_closed_month_under_other_rules_then_its_explanation_names_both_and_cites_the_one_that_decided(
    closed: Shell, corrected: Path, tmp_path: Path
) -> None:
    """Given G3003 closed under one set and adjusted under another, then the month has the second's name, the line that of the first."""
    patient = next(row["patient_id"] for row in closed("lines", "--json").rows if row["code"] == "G3003" and row["month"] == "2026-03")
    edit(corrected / "cpm.yaml", WORDS, WORDS.replace("15", "20"))
    plan = tmp_path / "plan.json"
    closed("replay", "plan", "--rules", str(corrected), "--out", str(plan))
    assert closed("replay", "apply", str(plan), *WORD).code == 0
    told = closed("explain", TENANT, patient, "2026-03").out
    assert told.splitlines()[0].endswith("rule set 2026.12")
    assert WORDS in told
    assert "closed under rule set 2026.11, which decided it; the month is decided by rule set 2026.12 now" in told


def test_given_a_closed_month_when_its_value_changes_then_the_check_names_the_line_that_lacks_a_note(
    closed: Shell, corrected: Path
) -> None:
    ran = closed("rules", "check", str(corrected), "--json")
    assert ran.code == 1
    (problem,) = (row["problem"] for row in ran.rows)
    text = (corrected / "cpm.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, part in enumerate(text, 1) if NEW in part)
    assert problem == (
        f"{corrected}/cpm.yaml:{line}: track.codes.G3003.minutes[0]: expected a note that says why, because 2026-03 is closed in the ledger"
        ", found another value of 'minutes' without one"
    )
    edit(corrected / "cpm.yaml", NEW, NOTED)
    assert closed("rules", "check", str(corrected)).code == 0


def test_given_a_closed_month_when_a_price_changes_then_its_note_stands_in_a_column_of_the_table(closed: Shell, corrected: Path) -> None:
    edit(corrected / "cpm.yaml", NEW, OLD)
    prices = corrected / "prices.csv"
    edit(prices, "31.73,", "31.75,")
    ran = closed("rules", "check", str(corrected), "--json")
    assert f"{prices}:11: prices[9]: expected a note that says why, because 2026-03 is closed" in ran.rows[0]["problem"]
    header, *rows = prices.read_text(encoding="utf-8").splitlines()
    noted = [f"{row},{'mistyped' if '31.75' in row else ''}" for row in rows]
    prices.write_text("\n".join([f"{header},note", *noted, ""]), encoding="utf-8")
    assert closed("rules", "check", str(corrected)).code == 0
    told = closed("rules", "diff", "2026.11", str(corrected), "--json").rows
    assert [(row["code"], row["value_to"]["nonfacility"]) for row in told[:-1]] == [("G3003", "31.75")]


def test_given_a_correction_when_it_is_approved_then_the_list_shows_who_and_why(closed: Shell, corrected: Path) -> None:
    refused = closed("rules", "approve", str(corrected), *WORD)
    assert refused.code == 1
    assert "1 of its values are others than those that months were closed under, without a note that says why" in refused.err
    edit(corrected / "cpm.yaml", NEW, NOTED)
    said = closed("rules", "approve", str(corrected), *WORD, "--json").rows[0]
    assert (said["rule_set"], said["state"], said["by"], said["reason"]) == ("2026.12", "approved", "Ada", "the threshold was wrong")
    listed = {row["rule_set"]: row for row in closed("rules", "list", "--json").rows}
    assert {name: row["state"] for name, row in listed.items()} == {"2026.11": "active", "2026.12": "approved", "2027-proposed": None}
    assert (listed["2026.12"]["by"], listed["2026.12"]["reason"]) == ("Ada", "the threshold was wrong")
    assert listed["2026.12"]["at"] == said["at"]
    assert f"in this ledger: approved; approved by Ada on {said['at'][:10]}: the threshold was wrong\n" in closed("rules", "list").out
    shutil.rmtree(corrected)
    assert closed("rules", "diff", "2026.11", "2026.12", "--json").rows[0]["value_to"] == 20
    assert closed("verify").code == 0


def test_given_an_approved_set_when_it_is_retired_then_the_list_shows_that_instead(filled: Shell, corrected: Path) -> None:
    assert filled("rules", "approve", str(corrected), *WORD).code == 0
    ran = filled("rules", "retire", "2026.12", "--by", "Grace", "--reason", "not needed")
    assert ran.out.startswith("rule set 2026.12 (")
    assert ran.out.endswith(") is retired, says Grace: not needed\n")
    rows = filled("rules", "list", "--json").rows
    assert [(row["state"], row["said"], row["by"]) for row in rows] == [
        ("active", None, None),
        ("retired", "retired", "Grace"),
        (None, None, None),
    ]
    assert filled("rules", "retire", "2026.13", *WORD).err == (
        "caremonth: '2026.13' is no rule set of this ledger; `caremonth rules list` shows their ids and digests\n"
    )
    assert "is in force in this ledger" in filled("rules", "retire", "2026.11", *WORD).err


def test_given_a_proposal_or_broken_files_then_they_are_not_approved(filled: Shell, corrected: Path) -> None:
    proposal = str(PACKAGED / "proposed-2027")
    assert "2027-proposed" in filled("rules", "approve", proposal, *WORD).err
    edit(corrected / "cpm.yaml", "value: 20,", "value: twenty,")
    assert "track.codes.G3003.minutes[0].value: expected a whole number" in filled("rules", "approve", str(corrected), *WORD).err
    assert filled("rules", "approve", "absent", *WORD).code == 1
    assert [row["state"] for row in filled("rules", "list", "--json").rows] == ["active", None]


def test_given_no_ledger_then_nothing_is_approved_and_none_is_made(shell: Shell, corrected: Path) -> None:
    assert "there is no ledger at this URL yet" in shell("rules", "approve", str(corrected), *WORD).err
    assert not (shell.folder / "caremonth.db").exists()
