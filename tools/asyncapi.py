"""`docs/asyncapi.yaml`: the topics with their keys and messages as an AsyncAPI 3 document, from `streams.topics`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import yaml

from streams.codec import STRUCTURED
from streams.topics import DEAD_LETTERS, PARTITIONS, REPLICATION, RETRACTED, TOPICS, Layout, Topic

Part = dict[str, Any]

KAFKA: Final = "0.5.0"
PATIENT_KEY: Final = r"^[a-z0-9][a-z0-9-]{0,62}/[A-Za-z0-9._:-]{1,128}$"
TENANT_KEY: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
EITHER_KEY: Final = r"^[a-z0-9][a-z0-9-]{0,62}(?:/[A-Za-z0-9._:-]{1,128})?$"
PARKED: Final = "dead-letter"
_HEADERS: Final = {
    "dlq_id": "The same for the same bytes from the same place.",
    "dlq_reason": "Why it was parked, for machines (docs/contract.md §1.7).",
    "dlq_message": "Why it was parked and what to do, for people; never health data.",
    "dlq_origin": "Where it came from: topic, partition and offset, file and line, or request.",
    "dlq_tenant": "The tenant, where it could be read.",
}
_ABOUT: Final = (
    "What caremonth reads from Kafka and writes to it. Events come in structured or in binary mode of CloudEvents, decisions go out in "
    "structured mode. The names of all topics may begin with a prefix of the installation. Written by `python -m tools.schemas`."
)


def document(version: str, schema_at: Callable[[str], str]) -> str:
    """The document's text; `schema_at` says where the schema of a type of event is, seen from the document."""
    text: str = yaml.safe_dump(tree(version, schema_at), sort_keys=False, allow_unicode=True, width=140)
    return text


def tree(version: str, schema_at: Callable[[str], str]) -> Part:
    """The document."""
    types = {kind: topic for topic in reversed(TOPICS) for kind in topic.types}
    messages = {kind: _event(kind, topic, schema_at(kind)) for kind, topic in sorted(types.items())}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "caremonth", "version": version, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "defaultContentType": STRUCTURED,
        "channels": {_channel_name(topic): _channel(topic) for topic in TOPICS},
        "operations": {f"{_action(topic)}-{_channel_name(topic)}": _operation(topic) for topic in TOPICS},
        "components": {"messages": messages | {PARKED: _dead_letter()}},
    }


def _channel_name(topic: Topic) -> str:
    return topic.name.replace(".", "-")


def _action(topic: Topic) -> str:
    return "receive" if topic.role == "input" else "send"


def _messages(topic: Topic) -> tuple[str, ...]:
    return topic.types if topic.name != DEAD_LETTERS else (PARKED,)


def _channel(topic: Topic) -> Part:
    settings = Layout(PARTITIONS, REPLICATION).settings()
    configuration: Part = {"cleanup.policy": [settings["cleanup.policy"]]}
    configuration |= {name: int(settings[name]) for name in ("retention.ms", "retention.bytes", "max.message.bytes")}
    return {
        "address": topic.name,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": PARTITIONS,
                "replicas": REPLICATION,
                "topicConfiguration": configuration,
                "bindingVersion": KAFKA,
            }
        },
    }


def _operation(topic: Topic) -> Part:
    channel = f"#/channels/{_channel_name(topic)}"
    return {
        "action": _action(topic),
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{kind}"} for kind in _messages(topic)],
    }


def _event(kind: str, topic: Topic, schema: str) -> Part:
    return {
        "name": kind,
        "title": kind,
        "contentType": STRUCTURED,
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": schema}},
        "bindings": {"kafka": {"key": _key(kind, topic), "bindingVersion": KAFKA}},
    }


def _key(kind: str, topic: Topic) -> Part:
    if kind == RETRACTED:
        about = "tenant/subject on care.record for what is a patient's; tenant on care.registry for a registration's or a close's."
        return {"type": "string", "pattern": EITHER_KEY, "description": about}
    if not topic.by_patient:
        return {"type": "string", "pattern": TENANT_KEY, "description": "tenant"}
    if topic.role == "output":
        return {"type": "string", "pattern": EITHER_KEY, "description": "tenant/patient; tenant alone for what is about no patient."}
    return {"type": "string", "pattern": PATIENT_KEY, "description": "tenant/patient"}


def _dead_letter() -> Part:
    return {
        "name": PARKED,
        "title": PARKED,
        "summary": "Parked input: the bytes as they came, of a binary message its structured form.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": [name for name in _HEADERS if name != "dlq_tenant"],
            "properties": {name: {"type": "string", "description": about} for name, about in _HEADERS.items()},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "pattern": TENANT_KEY, "description": "tenant, where it could be read; else none."},
                "bindingVersion": KAFKA,
            }
        },
    }
