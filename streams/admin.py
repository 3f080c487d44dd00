"""Looking at a broker's topics and creating those that are missing. Nothing here alters or deletes a topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from streams.topics import Found, Layout, missing, usual_partitions

TIMEOUT: Final = 15_000
"""Milliseconds that one request may take."""
_EXISTS: Final = 36


class BrokerError(Exception):
    """A broker that cannot be reached or refuses; the text says which, and what to do."""


@asynccontextmanager
async def administering(brokers: str, **options: Any) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client of the brokers (`host:port`, several with commas); `options` are aiokafka's, for TLS and names.

    Raises BrokerError where none answers or one refuses.
    """
    client = AIOKafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=TIMEOUT, client_id="caremonth-topics", **options)
    try:
        await _start(client)
        yield client
    except (KafkaConnectionError, TimeoutError):
        raise BrokerError(f"no broker answers at {brokers}; start one, or name another with --brokers") from None
    except KafkaError as error:
        raise BrokerError(f"the broker refused: {type(error).__name__}; see the broker's log") from None
    finally:
        await client.close()


async def _start(client: AIOKafkaAdminClient) -> None:
    try:
        await client.start()
    except ValueError:
        raise BrokerError("the brokers are not written as host:port, several with commas between; correct --brokers") from None


async def replicas(client: AIOKafkaAdminClient, wanted: int) -> int:
    """As many copies as wanted, or as there are brokers."""
    cluster = await client.describe_cluster()
    return min(wanted, len(cluster["brokers"]))


async def describe(client: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, Found]:
    """Those of the topics that are there. All are asked for: asking for one by name may create it."""
    wanted = set(names)
    topics = [topic for topic in await client.describe_topics() if topic["topic"] in wanted]
    settings = await _settings(client, [topic["topic"] for topic in topics])
    return {
        topic["topic"]: Found(
            len(topic["partitions"]), min(len(one["replicas"]) for one in topic["partitions"]), settings.get(topic["topic"], {})
        )
        for topic in topics
        if topic["partitions"]
    }


async def _settings(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, _message, _kind, name, entries in answer.resources:
            _raise_for(code)
            found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


async def create(client: AIOKafkaAdminClient, layout: Layout, there: Mapping[str, Found]) -> dict[str, Found]:
    """Create those topics of the layout that are not `there`; returns them. One that another process creates meanwhile is left as it is.

    Without a number of partitions they get that of the topics that are there.
    """
    one = Found(usual_partitions(layout, there), layout.replication, layout.settings())
    new = [NewTopic(name, one.partitions, one.replication, topic_configs=dict(one.settings)) for name in missing(layout, there)]
    if not new:
        return {}
    answer: Any = await client.create_topics(new)
    for _name, code, *_ in answer.topic_errors:
        if code != _EXISTS:
            _raise_for(code)
    return {name: one for name, code, *_ in answer.topic_errors if not code}


def _raise_for(code: int) -> None:
    if code:
        raise for_code(code)
