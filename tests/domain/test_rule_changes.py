"""What differs between two rule sets: every value, with its days, and who says so told apart from what holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from domain.rule_changes import changes, histories
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_reader import RuleError
from ledger.rule_files import PACKAGED, load_document

INVENTED = Path(__file__).resolve().parent.parent / "data" / "rules"
WORDS = {
    "instant": "month_end", "month_end": "instant", "start": "end", "end": "start", "practitioner": "patient",
    "physician": "np", "rn": "ma", "own": "shared",
}  # fmt: skip
Edit = Callable[[Any], object]


@pytest.fixture(scope="module")
def rules() -> Any:
    """Two invented families, WND and FOT."""
    return load_document(INVENTED)


def told(before: Any, edit: Edit) -> list[tuple[object, ...]]:
    """What an edit of a rule set changes: program, code, the key in the file, first and last day, value before, value after."""
    after = deepcopy(before)
    edit(after)
    return [
        (*change.entry[:2], ".".join(change.entry.key), change.first_day, change.last_day, change.before.value, change.after.value)
        for change in changes(before, after)
    ]


def wound(document: Any, code: str) -> Any:
    return document["families"]["wound"]["track"]["codes"][code]


def test_a_rule_set_does_not_differ_from_itself(rules: Any) -> None:
    assert changes(rules, deepcopy(rules)) == []


def test_another_value_is_told_with_the_days_on_which_it_holds(rules: Any) -> None:
    def from_july(document: Any) -> None:
        old = wound(document, "W0001")["minutes"]
        old.append(old[0] | {"from": "2025-07-01", "value": 30})

    key = "track.codes.W0001.minutes"
    assert told(rules, from_july) == [("WND", "W0001", key, "2025-07-01", None, 20, 30)]


def test_a_value_for_a_while_is_told_until_the_day_before_the_next_version(rules: Any) -> None:
    def for_half_a_year(document: Any) -> None:
        old = wound(document, "W0001")["minutes"]
        old += [old[0] | {"from": "2025-01-01", "value": 30}, old[0] | {"from": "2025-07-01"}]

    key = "track.codes.W0001.minutes"
    assert told(rules, for_half_a_year) == [("WND", "W0001", key, "2025-01-01", "2025-06-30", 20, 30)]


def test_the_same_difference_is_told_once_for_days_without_a_gap_and_again_after_one(rules: Any) -> None:
    """Versions that only part the days of one difference do not part it; a stretch without a difference does."""
    split = deepcopy(rules)
    old = wound(split, "W0001")["minutes"]
    old.append(old[0] | {"from": "2024-01-01"})

    def again(document: Any) -> None:
        first = wound(document, "W0001")["minutes"][0]
        days = (("2022-01-01", 30), ("2023-01-01", 20), ("2025-01-01", 30))
        wound(document, "W0001")["minutes"] = [first | {"from": day, "value": value} for day, value in days]

    key = "track.codes.W0001.minutes"
    first = wound(rules, "W0001")["minutes"][0]
    assert told(split, lambda d: wound(d, "W0001").update(minutes=[first | {"value": 30}])) == [
        ("WND", "W0001", key, "2022-01-01", None, 20, 30)
    ]
    assert told(split, again) == [
        ("WND", "W0001", key, "2022-01-01", "2022-12-31", 20, 30),
        ("WND", "W0001", key, "2025-01-01", None, 20, 30),
    ]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda d: d["prices"][1].update(nonfacility="13.00"), [
            ("WND", "W0001", "price", "2023-01-01", None, {"nonfacility": "12.50", "facility": "8.25"},
             {"nonfacility": "13.00", "facility": "8.25"})]),
        (lambda d: d["prices"].pop(2), [("FOT", "F0001", "price", "2022-01-01", None, {"nonfacility": "5.00", "facility": "5.00"}, None)]),
        (lambda d: d["limits"]["W0002"][0].update(value=5), [
            ("WND", "W0002", "limit", "2022-01-01", None, {"value": 4, "mai": 3}, {"value": 5, "mai": 3})]),
        (lambda d: d["ruleset"]["exclusions"].pop("wound-foot"), [
            (None, None, "exclusions.wound-foot", "2022-01-01", "2025-12-31", {"programs": ["WND", "FOT"], "of": "practitioner"}, None),
            (None, None, "exclusions.wound-foot", "2026-01-01", None, None, None)]),
        (lambda d: d["families"]["wound"]["track"]["roles"][0].update(value=["physician"]), [
            ("WND", None, "track.roles", "2022-01-01", None, ["physician", "rn"], ["physician"])]),
        (lambda d: wound(d, "W0002").pop("at_most"), [("WND", "W0002", "track.codes.W0002.at_most", "2022-01-01", None, 3, None)]),
        (lambda d: wound(d, "W0002").update(adds_to="W0009"), [
            ("WND", "W0002", "track.codes.W0002.adds_to", None, None, "W0001", "W0009")]),
        (lambda d: d["families"]["foot"].update(default_track="shared"), [("FOT", None, "default_track", None, None, "own", "shared")]),
        (lambda d: d["ruleset"].update(id="other"), [(None, None, "id", None, None, "test", "other")]),
    ],
    ids=["a price", "a price gone", "a limit", "an exclusion gone", "roles", "a cap gone", "an add-on's base", "a default track", "the id"],
)  # fmt: skip
def test_prices_limits_exclusions_and_undated_values_are_told(rules: Any, edit: Edit, expected: list[tuple[object, ...]]) -> None:
    assert told(rules, edit) == expected


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: wound(d, "W0001")["minutes"][0].update(confidence="K"),
        lambda d: wound(d, "W0001")["minutes"][0].update(last_verified="2026-12-01"),
        lambda d: wound(d, "W0001")["minutes"][0].update(note="looked up again"),
        lambda d: d["sources"]["TEXT"].update(title="another invented fee schedule"),
        lambda d: wound(d, "W0001")["minutes"].append(wound(d, "W0001")["minutes"][0] | {"from": "2024-01-01", "confidence": "K"}),
    ],
    ids=["confidence", "verified", "note", "source", "the same value newly cited"],
)
def test_another_citation_of_the_same_value_is_told_apart(rules: Any, edit: Edit) -> None:
    after = deepcopy(rules)
    edit(after)
    assert [change.citation_only for change in changes(rules, after)] == [True]


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["families"]["wound"]["track"]["roles"][0]["value"].reverse(),
        lambda d: d["families"].update(feet=d["families"].pop("foot")),
        lambda d: d["prices"].insert(0, d["prices"].pop(2)),
        lambda d: d["families"]["wound"]["track"]["direct_supervision"][0].pop("to"),
        lambda d: wound(d, "W0001")["minutes"].append(wound(d, "W0001")["minutes"][0] | {"from": "2024-01-01"}),
    ],
    ids=["the order of roles", "a file's name", "the order of prices", "an end the next version says", "a version that says the same"],
)
def test_what_can_mean_nothing_else_is_no_change(rules: Any, edit: Edit) -> None:
    assert told(rules, edit) == []


def test_a_difference_turned_round_is_the_same_difference(rules: Any) -> None:
    packaged = load_document(PACKAGED)
    for one, other in ((packaged, load_document(PACKAGED / "proposed-2027")), (rules, packaged)):
        back = [change._replace(before=change.after, after=change.before) for change in changes(other, one)]
        assert changes(one, other) == back != []


def test_no_value_of_a_rule_set_can_change_unseen(rules: Any) -> None:
    """Each text, date, number and flag of the rule files is changed alone: if the result loads, the difference is told."""
    loaded: dict[object, int] = {}
    for way in leaves(rules):
        after = deepcopy(rules)
        part = reduce(lambda inner, step: inner[step], way[:-1], after)
        part[way[-1]] = another(part[way[-1]])
        try:
            compile_rulebook(after)
        except RuleError:
            continue
        found = changes(rules, after)
        assert found, f"{way} changed and nothing was told"
        assert all(change.first <= change.last and not change.before.same(change.after) for change in found)
        loaded[way[-1]] = loaded.get(way[-1], 0) + 1
    assert {"from", "value", "last_verified", "kind", "nonfacility", "mai", "text", "title", "default_track"} <= loaded.keys()
    assert sum(loaded.values()) > 200


def leaves(part: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a document."""
    if isinstance(part, dict | list):
        steps = part.items() if isinstance(part, dict) else enumerate(part)
        for step, inner in steps:
            yield from leaves(inner, (*way, step))
    else:
        yield way


def another(value: object) -> object:
    """A value of the same kind that is not this one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return f"{int(value[:4]) - 1}{value[4:]}"
        case None:
            return 1
        case _:
            return WORDS.get(str(value), f"1{value}" if re.fullmatch(r"\d+\.\d\d", str(value)) else f"{value}0")


def test_the_packaged_rules_have_a_history_for_every_code(rules: Any) -> None:
    packaged = histories(load_document(PACKAGED))
    keys = {entry.key[-1] for entry in packaged if entry.code == "98979"}
    assert keys == {"label", "rule", "in_force", "minutes", "awaits_close", "limit", "price"}
    assert {entry.family for entry in packaged if entry.code == "98979"} == {"RTM"}
    assert {entry.code for entry in histories(rules) if entry.code} == {f"W000{n}" for n in range(1, 6)} | {"F0001", "F0002", "F0003"}
