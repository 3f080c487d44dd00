"""Whatever comes in, the answer is an event or an `Invalid` that repeats nothing of it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from domain.events import EVENT_TYPES, Invalid, digest
from tests.domain.event_examples import AT, EXAMPLES, an_event, outcome

JUNK = "Zosia-Kowalska-asthma"
junk_values: st.SearchStrategy[object] = st.recursive(
    st.sampled_from(
        [JUNK, f"{JUNK}\x00", f"2026-03-02T10:00:00{JUNK}", f"2026-03-02{JUNK}", 87654321098, 8765.4321, f"😀{JUNK}", f"\ud800{JUNK}"]
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.just(JUNK), inner, min_size=1),
    max_leaves=3,
)


@given(st.data(), st.sampled_from(list(EVENT_TYPES)), junk_values)
def test_no_message_repeats_a_value(data: st.DataObject, kind: str, junk: object) -> None:
    obj = an_event(kind)
    names = data.draw(st.lists(st.sampled_from([*obj, *(f"data.{name}" for name in obj["data"])]), min_size=1, max_size=3))
    for name in names:
        if name.startswith("data."):
            obj["data"] = (obj["data"] if isinstance(obj["data"], dict) else {}) | {name[5:]: junk}
        else:
            obj[name] = junk
    error = outcome(obj)
    if isinstance(error, Invalid):
        assert error.message == str(error)
        assert not [part for part in ("Zosia", "876543", "8765.4") if part in repr(vars(error))]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([AT, "CCM", "e-1", "2026-03"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(json_values | st.dictionaries(st.sampled_from(list(an_event())), json_values))
def test_nothing_but_invalid_is_raised_for_any_value(obj: object) -> None:
    assert isinstance(outcome(obj), Invalid)


@given(st.data(), st.sampled_from(list(EVENT_TYPES)), json_values)
def test_any_value_in_any_field_is_taken_or_refused(data: st.DataObject, kind: str, value: object) -> None:
    name = data.draw(st.sampled_from(list(EXAMPLES[kind])))
    event = outcome(an_event(kind, {name: value}))
    if isinstance(event, Invalid):
        assert event.reason in {"invalid_data", "in_future"}
    else:
        assert json.dumps(event.data.model_dump())
        assert len(digest(event)) == 16
