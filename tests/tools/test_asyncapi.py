"""The AsyncAPI document keeps to the rules of AsyncAPI 3.0 that can be looked at without its tools."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from domain.event_types import EVENT_TYPES
from domain.output_types import OUTPUT_TYPES
from domain.progress import PROGRESS
from domain.roster import ROSTER
from streams.codec import dead_letter
from streams.topics import TOPIC_OF, TOPICS, Layout, keys_of
from tests.domain.event_examples import accepted, an_event
from tests.streams.messages import GOOD, parked
from tools.schemas import ASYNCAPI
from tools.tree import ROOT

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / ASYNCAPI).read_text(encoding="utf-8"))
MESSAGES = DOCUMENT["components"]["messages"]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def at(pointer: str) -> Any:
    """What a reference inside the document leads to; references on the way are not followed."""
    place: Any = DOCUMENT
    for step in pointer.removeprefix("#/").split("/"):
        place = place[step]
    return place


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_the_document_has_what_every_document_must_have() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version"}
    assert DOCUMENT.keys() <= {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}
    for names in (DOCUMENT["channels"], DOCUMENT["operations"], MESSAGES):
        assert all(NAME.fullmatch(name) for name in names)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            assert at(reference)
        else:
            assert (ROOT / ASYNCAPI).parent.joinpath(reference).is_file()


def test_channels_are_the_topics_with_their_messages() -> None:
    assert [channel["address"] for channel in DOCUMENT["channels"].values()] == [topic.name for topic in TOPICS]
    for channel, topic in zip(DOCUMENT["channels"].values(), TOPICS, strict=True):
        assert channel["messages"] == {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.types or ("dead-letter",)}
    assert MESSAGES.keys() == {*EVENT_TYPES, *OUTPUT_TYPES, "dead-letter"} - {PROGRESS, ROSTER}


def test_operations_use_messages_of_their_own_channel() -> None:
    for name, operation in DOCUMENT["operations"].items():
        channel = operation["channel"]["$ref"]
        role = {topic.name: topic.role for topic in TOPICS}[at(channel)["address"]]
        assert (operation["action"], name.partition("-")[0]) == (("receive", "receive") if role == "input" else ("send", "send"))
        assert [one["$ref"] for one in operation["messages"]] == [f"{channel}/messages/{kind}" for kind in at(channel)["messages"]]


def test_inputs_are_said_to_be_kept_for_ever() -> None:
    for channel in DOCUMENT["channels"].values():
        configuration = channel["bindings"]["kafka"]["topicConfiguration"]
        assert (configuration["cleanup.policy"], configuration["retention.ms"]) == (["delete"], -1)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_keys_that_are_taken_are_those_that_are_documented(kind: str) -> None:
    pattern = MESSAGES[kind]["bindings"]["kafka"]["key"]["pattern"]
    keys = keys_of(accepted(an_event(kind)))
    assert all(re.search(pattern, key.decode()) for key in keys)
    assert len(keys) == 2 or bool(re.search(pattern, "acme/P-1")) == (keys[0] == b"acme/P-1001")
    assert kind in {one for topic in TOPICS if topic.name == TOPIC_OF[kind] for one in topic.types}


def test_the_headers_of_a_dead_letter_are_documented() -> None:
    headers = MESSAGES["dead-letter"]["headers"]
    sent = {name for name, _ in dead_letter(parked(GOOD._replace(key=None)), Layout()).headers}
    assert sent == headers["properties"].keys()
    nobody = {name for name, _ in dead_letter(parked(GOOD._replace(value=None)), Layout()).headers}
    assert nobody == set(headers["required"])
