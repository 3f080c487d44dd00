"""The published schemas say what is taken and sent, and a change that breaks somebody is named."""

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from caremonth.sample import sample
from domain.event_types import EVENT_TYPES
from domain.events import Invalid
from domain.output_types import OUTPUT_TYPES
from ledger import Ledger, open_ledger
from tests.domain.event_examples import EXAMPLES, OPTIONAL, an_event, outcome, without
from tools import schemas
from tools.schema_changes import breaks
from tools.tree import ROOT

Json = dict[str, Any]

TAKEN = {kind: Draft202012Validator(schemas.input_schema(kind)) for kind in EVENT_TYPES}
SENT = {kind: Draft202012Validator(schemas.output_schema(kind, closed=True)) for kind in OUTPUT_TYPES}
ALERTS = {"threshold_near", "threshold_reached", "adjustment_proposed", "time_conflict", "close_stands"}
WHEN = "2027-03-01T00:00:00Z"


@pytest.mark.parametrize("kind", [*EVENT_TYPES, *OUTPUT_TYPES])
def test_every_type_has_a_sound_schema(kind: str) -> None:
    Draft202012Validator.check_schema(json.loads((ROOT / schemas.FOLDER / f"{kind}.json").read_text(encoding="utf-8")))


WRONG: list[object] = [None, 5, True, "\x00", "no such word", {}]


def variations(kind: str) -> Iterator[Json]:
    """An event of the type, spoiled in one place each."""
    good = an_event(kind)
    yield good
    yield good | {"data": EXAMPLES[kind] | OPTIONAL.get(kind, {})}
    for name in good:
        yield without(good, name)
        yield good | {name: 5}
    for name in EXAMPLES[kind]:
        yield from (an_event(kind, {name: value}) for value in WRONG)
        yield good | {"data": without(EXAMPLES[kind], name)}
    yield an_event(kind, {"note": "x"})


LOOSER = {"program", "kind", "track", "at", "start", "end", "onset", "valid_from", "time", "zone", "subject"}
"""Fields of which only the program knows all the words, or whose format a schema names and does not enforce."""


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_schema_takes_what_is_taken_and_refuses_what_is_not(kind: str) -> None:
    refused = 0
    for event in variations(kind):
        got, valid = outcome(event), TAKEN[kind].is_valid(event)
        if not isinstance(got, Invalid):
            assert valid, event
        elif valid:
            assert got.message.removeprefix("data.").partition(":")[0] in LOOSER, got.message
        refused += not valid
    assert refused > len(EXAMPLES[kind])


def test_the_sample_keeps_to_the_schemas() -> None:
    stream = [json.loads(line) for line in sample(6, 2, 3, 5, close=True)]
    assert [event["id"] for event in stream if not TAKEN[event["type"]].is_valid(event)] == []
    assert {event["type"] for event in stream} >= {"care.time.logged.v1", "care.month.closed.v1"}


def retraction(event: Json, number: int) -> Json:
    made: Json = event | {"id": f"retraction-{number}", "type": "care.event.retracted.v1", "time": WHEN}
    return made | {"data": {"id": event["id"], "source": event["source"], "reason": "entered in error"}}


def told(ledger: Ledger, events: list[Json]) -> None:
    assert ledger.ingest(("told", json.dumps(event).encode()) for event in events).dead_letters == 0


def test_every_decision_keeps_to_its_schema_and_has_no_field_beside_it(tmp_path: Path) -> None:
    stream = [json.loads(line) for line in sample(30, 2, 3, 1)]
    entries = [event for event in stream if event["type"] == "care.time.logged.v1"]
    tenant = entries[0]["tenant"]
    months = sorted({entry["data"]["start"][:7] for entry in entries})
    closes = [
        an_event(
            "care.month.closed.v1",
            {"month": month, "site_id": None, "at": WHEN},
            id=f"close-{month}",
            tenant=tenant,
            subject=tenant,
            time=WHEN,
        )
        for month in months
    ]
    with open_ledger(f"sqlite:///{tmp_path / 'one.db'}") as ledger:
        told(ledger, stream)
        told(ledger, [retraction(entry, number) for number, entry in enumerate(entries) if number % 4 == 1])
        told(ledger, closes)
        told(ledger, [retraction(entry, number) for number, entry in enumerate(entries) if number % 4 == 2])
        told(ledger, [retraction(closes[0], len(entries))])
        decisions = list(ledger.events())
    for decision in decisions:
        SENT[decision["type"]].validate(decision)
    assert {decision["type"] for decision in decisions} == OUTPUT_TYPES.keys()
    assert {decision["data"]["kind"] for decision in decisions if decision["type"] == "care.alert.raised.v1"} == ALERTS


def test_a_program_that_reads_decisions_may_find_more_fields() -> None:
    assert "additionalProperties" not in json.dumps({**schemas.output_schema("billing.line.ready.v1")})


def test_the_files_are_what_would_be_written_and_break_no_release() -> None:
    assert [*schemas.drift(ROOT), *schemas.broken(ROOT)] == [], schemas.WRITE


def test_a_file_that_drifted_is_named_with_the_remedy(tmp_path: Path) -> None:
    schemas.write(tmp_path)
    assert list(schemas.drift(tmp_path)) == []
    died = tmp_path / schemas.FOLDER / "care.patient.died.v1.json"
    died.write_text(died.read_text(encoding="utf-8").replace("object", "array"), encoding="utf-8")
    (tmp_path / schemas.ASYNCAPI).unlink()
    shutil.copy(died, died.with_name("care.gone.v1.json"))
    assert list(schemas.drift(tmp_path)) == [
        "docs/schemas/care.patient.died.v1.json is not what the models and topics say; run `python -m tools.schemas`",
        "docs/asyncapi.yaml is missing; run `python -m tools.schemas`",
        "docs/schemas/care.gone.v1.json is the schema of no type of event; run `python -m tools.schemas`",
    ]
    schemas.write(tmp_path)
    assert list(schemas.drift(tmp_path)) == []


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Json]:
    """The baseline of a copy of the repository; what is changed in it has changed since."""
    baseline: Json = json.loads(schemas.baseline())
    (tmp_path / schemas.FOLDER).mkdir(parents=True)
    yield baseline
    (tmp_path / schemas.BASELINE).unlink(missing_ok=True)


def since(tmp_path: Path, released: Json) -> list[str]:
    (tmp_path / schemas.BASELINE).write_text(json.dumps(released), encoding="utf-8")
    return list(schemas.broken(tmp_path))


def test_what_was_released_and_is_gone_is_named(tmp_path: Path, released: Json) -> None:
    died = released["in"]["care.patient.died.v1"]
    released["in"]["care.patient.gone.v1"] = died
    released["out"]["billing.gone.v1"] = died
    died["properties"]["data"]["properties"]["by"] = {"type": "string"}
    assert since(tmp_path, released) == [
        "care.patient.died.v1: data.by was removed since 0.1.0; add a version beside it, with an upcast",
        "care.patient.gone.v1 was released and is not in RELEASED of domain/upcasting.py; ledgers hold such events: name it there",
        "billing.gone.v1 is no longer sent since 0.1.0; keep it beside what replaces it",
    ]


def data_of(schema: Json) -> Json:
    data: Json = schema["properties"]["data"]
    return data


def without_field(data: Json) -> None:
    del data["properties"]["activity"]
    data["required"].remove("activity")


def with_required(data: Json) -> None:
    data["properties"]["place"] = {"type": "string"}
    data["required"].append("place")


def with_optional(data: Json) -> None:
    data["properties"]["place"] = {"type": "string"}


def with_less(name: str, **rule: object) -> Any:
    def change(data: Json) -> None:
        data["properties"][name] = rule

    return change


TIME = schemas.input_schema("care.time.logged.v1")
PLANTED_IN: list[tuple[Any, list[str]]] = [
    (without_field, ["data.activity was removed"]),
    (with_required, ["data.place is new and required"]),
    (with_optional, []),
    (lambda data: data["required"].append("supervision"), ["data.supervision has become required"]),
    (lambda data: data["required"].remove("activity"), []),
    (with_less("source", enum=["timer", "manual"]), ["data.source can no longer be inferred"]),
    (with_less("source", enum=["timer", "manual", "inferred", "heard"]), []),
    (with_less("source", type="string"), []),
    (with_less("program", enum=["CPM"]), ["data.program can no longer be any other word"]),
    (with_less("supervision", enum=["general", "direct"]), ["data.supervision can no longer be null"]),
    (with_less("interactive", type="string"), ["data.interactive can no longer be boolean"]),
    (with_less("program", type="string", maxLength=3), ["data.program can no longer be what maxLength 3 excludes"]),
    (with_less("activity", type="string"), []),
]


@pytest.mark.parametrize(("change", "problems"), PLANTED_IN)
def test_planted_changes_of_what_is_taken(change: Any, problems: list[str]) -> None:
    new = deepcopy(TIME)
    change(data_of(new))
    assert list(breaks(TIME, new)) == problems


def planted(name: str, rule: Json | None) -> Any:
    """A change of one field of a line; None takes it away."""

    def change(line: Json) -> None:
        line["properties"].pop(name) if rule is None else line["properties"].update({name: rule})

    return change


CLOSED = schemas.output_schema("billing.month.closed.v1")
PLANTED_OUT: list[tuple[Any, list[str]]] = [
    (planted("seconds", None), ["data.lines[].seconds was removed"]),
    (lambda line: line["required"].remove("amount"), ["data.lines[].amount is no longer always there"]),
    (
        planted("status", {"enum": ["ready", "held", "awaiting_close", "excluded", "closed", "lost"]}),
        ["data.lines[].status may now be lost"],
    ),
    (planted("status", {"type": "string"}), ["data.lines[].status may now be any other word"]),
    (planted("status", {"enum": ["closed"]}), []),
    (planted("units", {"type": "number", "minimum": 0}), ["data.lines[].units may now be number"]),
    (planted("units", {"type": ["integer", "null"], "minimum": 0}), ["data.lines[].units may now be null"]),
    (planted("units", {"type": "integer"}), ["data.lines[].units may now be what minimum 0 excludes"]),
    (planted("place", {"type": "string"}), []),
]


@pytest.mark.parametrize(("change", "problems"), PLANTED_OUT)
def test_planted_changes_of_what_is_sent(change: Any, problems: list[str]) -> None:
    new = deepcopy(CLOSED)
    change(new["$defs"]["Line"])
    assert list(breaks(CLOSED, new, sent=True)) == problems


def test_a_kind_of_alert_may_come_and_not_go() -> None:
    alert = schemas.output_schema("care.alert.raised.v1")
    fewer = deepcopy(alert)
    del data_of(fewer)["anyOf"][3]
    assert list(breaks(fewer, alert, sent=True)) == []
    assert list(breaks(alert, fewer, sent=True)) == ["data[time_conflict] was removed"]


def test_an_unknown_word_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(["chekc"]) == 2
    assert "python -m tools.schemas check" in capsys.readouterr().err
