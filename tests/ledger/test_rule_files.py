"""Rule files: what is said of broken ones, how one directory is laid over another, and that a new family is YAML alone."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.rulebook_reader import RuleError
from domain.rulebook_vocabulary import vocabulary
from ledger.rule_files import PACKAGED, RuleFileError, load_document, load_rulebook
from ledger.rule_folders import packaged_fingerprint
from tests.ledger.other_rules import Document, book

DATA = Path(__file__).resolve().parent.parent / "data"
BROKEN: list[dict[str, Any]] = yaml.safe_load((DATA / "broken-rules.yaml").read_text(encoding="utf-8"))
EVIDENCE = "source: [TEXT], confidence: D, last_verified: 2026-11-22, legal_status: "


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A copy of the two invented families."""
    return Path(shutil.copytree(DATA / "rules", tmp_path / "rules"))


def change(file: Path, old: str | None, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old is None or old in text
    file.write_text(new if old is None else text.replace(old, new, 1), encoding="utf-8")


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: str(case["what"]))
def test_a_broken_file_is_told_by_file_line_key_and_what_was_expected(rules: Path, case: dict[str, Any]) -> None:
    change(rules / case["file"], case.get("old"), case["new"])
    change(rules / "limits.yaml", None, (rules / "limits.yaml").read_text(encoding="utf-8") + case.get("limits", ""))
    with pytest.raises(RuleFileError) as caught:
        load_rulebook(rules)
    assert str(caught.value).replace(f"{rules}/", "") == case["error"]


def test_a_file_that_is_not_there_is_named(rules: Path) -> None:
    (rules / "limits.yaml").unlink()
    with pytest.raises(RuleFileError, match="limits: expected a value, found nothing: the key is missing"):
        load_rulebook(rules)


def test_a_file_that_is_not_text_is_named(rules: Path) -> None:
    (rules / "foot.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleFileError, match=r"foot\.yaml:1: expected a file that can be read, found: not UTF-8"):
        load_rulebook(rules)


def test_a_byte_order_mark_does_no_harm(rules: Path) -> None:
    for name in ("foot.yaml", "prices.csv"):
        (rules / name).write_bytes(b"\xef\xbb\xbf" + (rules / name).read_bytes())
    assert load_document(rules) == load_document(DATA / "rules")


def test_the_document_is_json_and_says_what_the_files_say() -> None:
    document: Any = load_document(DATA / "rules")
    minutes = document["families"]["wound"]["track"]["codes"]["W0001"]["minutes"]
    evidence = {"source": ["TEXT"], "confidence": "S", "last_verified": "2026-11-22", "legal_status": "final"}
    assert minutes == [{"from": "2022-01-01", "value": 20, **evidence}]
    assert document["prices"][1] == {"code": "W0001", "from": "2023-01-01", "nonfacility": "12.50", "facility": "8.25", **evidence}
    assert document["ruleset"]["conversion_factors"][0]["value"] == "30.0000"


def test_a_new_family_is_yaml_alone(rules: Path) -> None:
    text = (rules / "wound.yaml").read_text(encoding="utf-8")
    (rules / "ear.yaml").write_text(text.replace("WND", "EAR").replace("W000", "E000").replace("camera", "microphone"), encoding="utf-8")
    limits = (rules / "limits.yaml").read_text(encoding="utf-8")
    wound_limits = limits[: limits.index("F0001")]
    (rules / "limits.yaml").write_text(limits + wound_limits.replace("W000", "E000"), encoding="utf-8")
    book = load_rulebook(rules)
    program = book.at(day("2024-05-01")).programs["EAR"]
    assert [base.code for base in program.tracks[None].bases] == ["E0001"]
    assert program.devices is not None
    assert [code.code for code in program.devices.codes] == ["E0003", "E0004"]
    assert vocabulary(book).programs == {"WND", "FOT", "EAR"}
    assert vocabulary(book).device_kinds == {"WND": {"camera"}, "EAR": {"microphone"}}


@pytest.fixture
def overlay(rules: Path) -> Path:
    """A proposal laid over the invented families: ten minutes less for W0001 from 2027 on, its price, a new code beside F0003."""
    folder = rules / "proposed"
    folder.mkdir()
    proposed = EVIDENCE + "proposed}"
    header = f"extends: ..\nid: next\nlegal_status: proposed\nnotes:\n  plan:\n    - {{from: 2027-01-01, text: not law, {proposed}\n"
    (folder / "ruleset.yaml").write_text(header, encoding="utf-8")
    change_minutes = f"track:\n  codes:\n    W0001:\n      minutes:\n        - {{from: 2027-01-01, value: 10, {proposed}\n"
    (folder / "wound.yaml").write_text(change_minutes, encoding="utf-8")
    code = f"{{label: Foot more, rule: each 5, adds_to: F0003, in_force: [{{from: 2027-01-01, {proposed}], "
    code += f"minutes: [{{from: 2027-01-01, value: 5, {proposed}]}}"
    (folder / "foot.yaml").write_text(f"tracks: {{shared: {{codes: {{F0004: {code}}}}}}}\n", encoding="utf-8")
    (folder / "limits.yaml").write_text(f"F0004: [{{from: 2027-01-01, absent: true, {proposed}]\n", encoding="utf-8")
    columns = "code,from,to,nonfacility,facility,source,confidence,last_verified,legal_status"
    (folder / "prices.csv").write_text(f"{columns}\nW0001,2027-01-01,,9.00,,TEXT,D,2026-11-22,proposed\n", encoding="utf-8")
    return folder


def test_an_overlay_adds_dated_values_and_leaves_the_rest(rules: Path, overlay: Path) -> None:
    base, proposed = load_rulebook(rules), load_rulebook(overlay)
    assert (proposed.id, proposed.legal_status) == ("next", "proposed")
    before, after = day("2026-12-31"), day("2027-01-01")
    assert proposed.at(before) == base.at(before)
    assert [b.seconds for b in proposed.at(after).programs["WND"].tracks[None].bases] == [600]
    assert proposed.at(after).programs["FOT"].tracks["shared"].addons["F0003"].code == "F0004"
    assert [book.cents("W0001", when, "11") for book in (base, proposed) for when in (before, after)] == [1250, 1250, 1250, 900]
    assert proposed.digest != base.digest


def test_an_overlay_that_contradicts_its_base_is_told_by_its_own_line(rules: Path, overlay: Path) -> None:
    change(overlay / "wound.yaml", "from: 2027-01-01", "from: 2022-01-01")
    with pytest.raises(RuleFileError) as caught:
        load_rulebook(overlay)
    assert str(caught.value).replace(f"{rules}/", "") == (
        "proposed/wound.yaml:5: track.codes.W0001.minutes[1].from: expected a date after the version from 2022-01-01 (number 1): "
        "two versions would hold on one day, found 2022-01-01 (number 2)"
    )


def test_the_fingerprint_changes_with_any_byte_any_name_and_what_is_extended(rules: Path, overlay: Path) -> None:
    seen = {packaged_fingerprint(rules), packaged_fingerprint(overlay), packaged_fingerprint(DATA / "rules")}
    assert len(seen) == 2
    change(rules / "foot.yaml", "Foot care", "Foot Care")
    seen |= {packaged_fingerprint(rules), packaged_fingerprint(overlay)}
    assert len(seen) == 4
    (rules / "foot.yaml").rename(rules / "feet.yaml")
    assert packaged_fingerprint(rules) not in seen


def test_the_packaged_rules_load_and_keep_their_digest_over_loads() -> None:
    assert load_rulebook(PACKAGED).digest == load_rulebook(PACKAGED).digest
    assert packaged_fingerprint() == packaged_fingerprint(PACKAGED)


def test_windows_longer_than_readings_are_waited_for_are_refused() -> None:
    """Given windows of 60 days, then the rules do not load: a month two months after a reading would not be decided again."""

    def of_60_days(rules: Document) -> None:
        rules["families"]["rpm"]["devices"]["window_days"][0]["value"] = 60

    with pytest.raises(RuleError, match="at most 30 days"):
        book(of_60_days)
