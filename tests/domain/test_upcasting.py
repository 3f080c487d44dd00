"""Older versions of a type reach the present one, and a release that forgets one does not start."""

import json
from typing import Any

import pytest

from domain.event_types import EVENT_TYPES, ConsentRevoked, Fact, Instant, PatientDied
from domain.events import Invalid
from domain.upcasting import RELEASED, UPCASTS, Upcast, Upcasts
from domain.vocabulary import DEFAULT_VOCABULARY
from ledger.codec import decode
from ledger.trusted import reread
from tests.domain.event_examples import AT, EXAMPLES, an_event


class PassedAway(Fact):
    """A made-up first version of a death."""

    on: Instant


FIRST, SECOND, THIRD = (f"care.made.up.v{n}" for n in (1, 2, 3))
DIED = "care.patient.died.v1"


def renamed(data: dict[str, Any]) -> dict[str, Any]:
    return {"at": data["on"]}


def same(data: dict[str, Any]) -> dict[str, Any]:
    return data


def step(old: str, new: str) -> Upcast:
    return Upcast(old, new, PatientDied, same)


OLDER = Upcasts([Upcast("care.patient.passed.v1", DIED, PassedAway, renamed)], released=RELEASED, current=EVENT_TYPES.keys())
OLD = json.dumps(an_event("care.patient.passed.v1", {"on": AT})).encode()


def test_each_type_of_today_passes_as_it_is() -> None:
    assert set(RELEASED) >= EVENT_TYPES.keys()
    for kind, data in EXAMPLES.items():
        present = UPCASTS.present(kind, data)
        assert present[0] == kind
        assert present[1] is data


def test_an_older_event_is_read_in_the_present_form() -> None:
    event = decode(OLD, DEFAULT_VOCABULARY, OLDER)
    assert event == decode(json.dumps(an_event(DIED)).encode(), DEFAULT_VOCABULARY)
    again = reread(OLD, (), OLDER)
    assert (again[:7], again.data.at) == (event[:7], event.data.at)


def test_an_older_event_of_the_wrong_form_is_refused_by_its_field() -> None:
    for raw, sentence in (
        (OLD.replace(b'"on"', b'"of"'), "data.on: is required"),
        (OLD.replace(b'{"on"', b'[{"on"').replace(b'"}}', b'"}]}'), "data: "),
    ):
        with pytest.raises(Invalid) as caught:
            decode(raw, DEFAULT_VOCABULARY, OLDER)
        assert caught.value.reason == "invalid_data"
        assert caught.value.message.startswith(sentence)


def test_a_type_that_was_never_there_stays_unknown() -> None:
    with pytest.raises(Invalid) as caught:
        decode(OLD, DEFAULT_VOCABULARY)
    assert caught.value.reason == "unknown_type"


def test_a_chain_goes_through_every_version() -> None:
    def grown(data: dict[str, Any]) -> dict[str, Any]:
        return data | {"form": "verbal"}

    steps = [Upcast(FIRST, SECOND, PassedAway, renamed), Upcast(SECOND, THIRD, PatientDied, grown)]
    chain = Upcasts(steps, released=(FIRST, SECOND, THIRD), current={THIRD})
    assert chain.present(FIRST, {"on": AT}) == (THIRD, {"at": AT, "form": "verbal"})
    assert chain.present(SECOND, {"at": AT}) == (THIRD, {"at": AT, "form": "verbal"})
    assert chain.present(THIRD, {"at": AT}) == (THIRD, {"at": AT})


def test_the_bytes_given_are_not_changed_by_a_step() -> None:
    def spoiled(data: dict[str, Any]) -> dict[str, Any]:
        data.clear()
        return data

    given = {"at": AT}
    Upcasts([Upcast(FIRST, SECOND, PatientDied, spoiled)], released=(), current={SECOND}).present(FIRST, given)
    assert given == {"at": AT}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], f"{FIRST} ends there and is no current type; add an upcast of {FIRST}"),
        ([step(FIRST, SECOND)], f"{FIRST} → {SECOND} ends there and is no current type; add an upcast of {SECOND}"),
        ([step(FIRST, SECOND), step(SECOND, FIRST)], f"in a circle: {FIRST} → {SECOND} → {FIRST}"),
        ([step(FIRST, FIRST)], f"in a circle: {FIRST} → {FIRST}"),
        ([step(FIRST, THIRD), step(SECOND, "care.gone.v9")], f"{SECOND} → care.gone.v9 ends there"),
        ([step(FIRST, THIRD), Upcast(FIRST, SECOND, ConsentRevoked, same)], f"{FIRST} has two upcasts, to {THIRD} and {SECOND}"),
        ([step(FIRST, THIRD), step(THIRD, SECOND)], f"{THIRD} is a current type and has an upcast to {SECOND}"),
    ],
)
def test_a_gap_or_a_circle_is_named(steps: list[Upcast], message: str) -> None:
    with pytest.raises(ValueError, match=r".*") as caught:
        Upcasts(steps, released=(FIRST, THIRD), current={THIRD})
    assert message in str(caught.value)
