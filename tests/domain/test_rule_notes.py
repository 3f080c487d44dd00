"""A value of a closed month may change, but not without a note that says why."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from domain.rule_notes import unexplained
from domain.rulebook_compile import compile_rulebook
from ledger.rule_files import load_document

INVENTED = Path(__file__).resolve().parent.parent / "data" / "rules"
WHY = {"note": "the threshold was read wrong"}
CLOSED = ["2025-01", "2025-02"]
Edit = Callable[[Any], object]


@pytest.fixture(scope="module")
def rules() -> Any:
    """Two invented families, WND and FOT."""
    return load_document(INVENTED)


def objections(before: Any, edit: Edit, closed: list[str] = CLOSED) -> list[str]:
    """What stands against an edit of a rule set that loads, where these months are closed."""
    after = deepcopy(before)
    edit(after)
    compile_rulebook(after)
    return [str(error) for error in unexplained(before, after, closed)]


def wound(document: Any, code: str = "W0001") -> Any:
    return document["families"]["wound"]["track"]["codes"][code]


def dated(document: Any, **more: object) -> dict[str, object]:
    """A version from 2022-01-01 on, with the evidence of any other."""
    first: dict[str, object] = wound(document)["in_force"][0]
    return first | more


def minutes(document: Any, value: int, **more: str) -> None:
    wound(document)["minutes"][0].update(value=value, **more)


def test_given_closed_months_when_their_threshold_changes_without_a_note_then_it_is_refused(rules: Any) -> None:
    (told,) = objections(rules, lambda d: minutes(d, 25))
    assert told == (
        "families.wound.track.codes.W0001.minutes[0]: expected a note that says why, because 2025-01, 2025-02 are closed in the ledger, "
        "found another value of 'minutes' without one"
    )


def test_given_closed_months_when_the_new_version_says_why_then_it_passes(rules: Any) -> None:
    assert objections(rules, lambda d: minutes(d, 25, **WHY)) == []


def test_given_a_note_from_an_earlier_change_when_the_value_changes_again_then_the_old_note_is_not_enough(rules: Any) -> None:
    corrected = deepcopy(rules)
    minutes(corrected, 25, **WHY)
    (told,) = objections(corrected, lambda d: minutes(d, 30))
    assert told.endswith("found another value of 'minutes' with the note of the old one")
    assert objections(corrected, lambda d: minutes(d, 30, note="and it was not 25 either")) == []


def test_given_a_month_before_the_change_is_closed_then_no_note_is_asked_for(rules: Any) -> None:
    def from_march(document: Any) -> None:
        wound(document)["minutes"].append(wound(document)["minutes"][0] | {"from": "2025-03-01", "value": 25})

    assert objections(rules, from_march) == []
    assert len(objections(rules, from_march, ["2025-03"])) == 1


def test_given_a_change_on_the_last_day_of_a_closed_month_then_a_note_is_asked_for(rules: Any) -> None:
    def on(day: str) -> Edit:
        return lambda d: wound(d)["minutes"].append(wound(d)["minutes"][0] | {"from": day, "value": 25})

    def roles_on(day: str) -> Edit:
        roles = rules["families"]["wound"]["track"]["roles"][0]
        return lambda d: d["families"]["wound"]["track"]["roles"].append(roles | {"from": day, "value": ["rn"]})

    for change in (on, roles_on):
        assert len(objections(rules, change("2025-02-28"))) == 1
        assert objections(rules, change("2025-03-01")) == []


def test_given_no_closed_month_then_everything_may_change(rules: Any) -> None:
    assert objections(rules, lambda d: minutes(d, 25), []) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: wound(d)["minutes"][0].update(confidence="K", last_verified="2026-12-01"),
        lambda d: d["sources"]["TEXT"].update(title="another schedule"),
        lambda d: wound(d).update(label="Wound care, 20 minutes", rule="one at 20 minutes"),
        lambda d: d["ruleset"].update(id="next", title="The same families", last_verified_year=2027),
        lambda d: d["ruleset"].update(notes={"later": [dated(d, text="something to remember")]}),
    ],
    ids=["how sure a value is", "a source", "a label", "who the rule set is", "a remark"],
)
def test_given_closed_months_when_only_words_or_citations_change_then_no_note_is_asked_for(rules: Any, edit: Edit) -> None:
    assert objections(rules, edit) == []


@pytest.mark.parametrize(
    ("edit", "where", "what"),
    [
        (lambda d: d["prices"][1].update(nonfacility="13.00"), "prices[1]", "another value of 'price' without one"),
        (lambda d: d["limits"]["W0001"][0].update(value=2), "limits.W0001[0]", "another value of 'limit' without one"),
        (lambda d: d["ruleset"]["facility_pos"][0].update(value=["22"]), "ruleset.facility_pos[0]", "another value of 'facility_pos'"),
        (lambda d: d["families"]["wound"]["stays"][0].update(value=[]), "families.wound.stays[0]", "another value of 'stays' without one"),
        (lambda d: d["ruleset"]["exclusions"].pop("wound-foot"), "ruleset.exclusions.wound-foot", "'wound-foot' gone without one"),
        (lambda d: d["families"]["wound"]["track"]["requirements"].clear(), "interactive_contact", "'interactive_contact' gone"),
        (lambda d: d["prices"].pop(2), "foot.tracks.own.codes.F0001.in_force[0]", "'price' gone without one"),
        (lambda d: d["families"]["wound"]["devices"]["codes"]["W0003"].update(kind="lens"), "W0003.in_force[0]", "another value of 'kind'"),
        (lambda d: d["families"]["foot"].update(default_track="shared"), "foot.tracks.shared.roles[0]", "another value of 'default_track'"),
    ],
    ids=["price", "limit", "places", "stays", "exclusion gone", "requirement gone", "price gone", "kind of device", "default track"],
)  # fmt: skip
def test_given_closed_months_then_every_kind_of_value_needs_its_note_where_it_can_stand(
    rules: Any, edit: Edit, where: str, what: str
) -> None:
    (told,) = objections(rules, edit)
    assert where in told.partition(":")[0]
    assert f"found {what}" in told


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: (d["prices"].pop(2), d["families"]["foot"]["tracks"]["own"]["codes"]["F0001"]["in_force"][0].update(WHY)),
        lambda d: d["ruleset"]["exclusions"].update({"wound-foot": [
            d["ruleset"]["exclusions"]["wound-foot"][1] | {"from": "2022-01-01"} | WHY]}),
        lambda d: (d["families"]["foot"].update(default_track="shared"),
                   d["families"]["foot"]["tracks"]["shared"]["roles"][0].update(WHY)),
    ],
    ids=["a price on the code's days", "an exclusion that says absent", "a default track on its roles"],
)  # fmt: skip
def test_given_closed_months_then_a_note_where_the_value_can_bear_none_is_taken(rules: Any, edit: Edit) -> None:
    assert objections(rules, edit) == []


def with_more(document: Any, code: str, **more: str) -> None:
    """An add-on to W0001 beside W0002's days, with its limit."""
    evidence = {"source": ["TEXT"], "confidence": "S", "last_verified": "2026-11-22", "legal_status": "final"}
    begins = {"from": "2023-01-01", **evidence}
    wound(document, "W0002")["in_force"][0]["to"] = "2022-12-31"
    document["families"]["wound"]["track"]["codes"][code] = {
        "label": "More", "rule": "each 5", "adds_to": "W0001", "in_force": [begins | more], "minutes": [begins | {"value": 5}],
    }  # fmt: skip
    document["limits"][code] = [begins | {"value": 1, "mai": 2}]


def test_given_closed_months_when_a_code_comes_in_then_one_note_at_its_days_is_enough(rules: Any) -> None:
    before = deepcopy(rules)
    wound(before, "W0002")["in_force"][0]["to"] = "2022-12-31"
    assert [told.partition(":")[0] for told in objections(before, lambda d: with_more(d, "W0009"))] == [
        "families.wound.track.codes.W0009.in_force[0]"
    ]
    assert objections(before, lambda d: with_more(d, "W0009", **WHY)) == []


def test_given_closed_months_when_a_code_is_taken_out_then_it_has_to_stay_and_end_with_a_note(rules: Any) -> None:
    def taken_out(document: Any) -> None:
        del document["families"]["wound"]["track"]["codes"]["W0002"], document["limits"]["W0002"]

    def ended(document: Any) -> None:
        days = wound(document, "W0002")["in_force"]
        days[:] = [days[0] | {"to": "2024-12-31"}, days[0] | {"from": "2025-01-01", "to": "2025-12-31", "absent": True, **WHY}]

    (told,) = objections(rules, taken_out)
    assert told.startswith("families.wound.track.codes.W0002.in_force: expected a note that says why")
    assert objections(rules, ended) == []


def test_given_a_code_not_yet_in_force_in_closed_months_then_its_values_may_change(rules: Any) -> None:
    def later(document: Any) -> None:
        document["limits"]["W0004"][0].update(last_verified="2026-12-01")
        document["limits"]["W0004"] = [{**document["limits"]["W0001"][0], "value": 3}]

    assert objections(rules, later, ["2023-12"]) == []
    assert len(objections(rules, later, ["2024-01"])) == 1


def test_given_a_code_that_is_in_force_in_one_set_only_then_its_values_need_notes_there_too(rules: Any) -> None:
    def begun_earlier(document: Any) -> None:
        code = document["families"]["wound"]["devices"]["codes"]["W0004"]
        code["in_force"][0].update(WHY, **{"from": "2023-01-01"})
        code["days"][0]["from"] = "2023-01-01"

    def ended_earlier(document: Any) -> None:
        wound(document, "W0002")["in_force"] = [
            dated(document, to="2024-12-31"),
            dated(document, absent=True, to="2025-12-31", **WHY) | {"from": "2025-01-01"},
        ]
        wound(document, "W0002")["at_most"][0]["value"] = 2

    assert [told.partition(":")[0] for told in objections(rules, begun_earlier, ["2023-06"])] == [
        "families.wound.devices.codes.W0004.days[0]"
    ]
    assert [told.partition(":")[0] for told in objections(rules, ended_earlier, ["2025-06"])] == [
        "families.wound.track.codes.W0002.at_most[0]"
    ]


def test_given_a_code_that_was_out_of_force_in_a_closed_month_then_its_values_may_change_there(rules: Any) -> None:
    def in_2023(document: Any) -> None:
        code = document["families"]["foot"]["tracks"]["shared"]["codes"]["F0003"]
        code["minutes"] = [code["minutes"][0] | {"from": day, "value": value} for day, value in
                           (("2022-01-01", 15), ("2023-01-01", 10), ("2024-01-01", 15))]  # fmt: skip

    assert objections(rules, in_2023, ["2023-06"]) == []
    assert objections(rules, in_2023, ["2022-12", "2024-01"]) == []


def test_given_a_value_gone_from_two_closed_months_then_a_note_for_one_of_them_is_not_enough(rules: Any) -> None:
    def gone(document: Any) -> None:
        document["prices"].pop(2)
        days = document["families"]["foot"]["tracks"]["own"]["codes"]["F0001"]["in_force"]
        days.append(days[0] | {"from": "2025-02-01"} | WHY)

    assert objections(rules, gone, ["2025-02"]) == []
    assert len(objections(rules, gone, ["2025-01", "2025-02"])) == 1


def test_given_many_closed_months_then_the_first_are_named_and_the_others_counted(rules: Any) -> None:
    (told,) = objections(rules, lambda d: minutes(d, 25), [f"2025-{month:02d}" for month in range(1, 7)])
    assert "because 2025-01, 2025-02, 2025-03 and 3 more are closed" in told
    (told,) = objections(rules, lambda d: minutes(d, 25), ["2025-06"])
    assert "because 2025-06 is closed" in told
