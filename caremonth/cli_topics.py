"""The commands on a broker's topics: create those that are missing, and say which are not as they must be."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from caremonth.cli_broker import LOCAL, Authorities, Brokers, Prefix, Tls, User, broker_of
from caremonth.cli_options import ALSO, settings_of

if TYPE_CHECKING:
    from streams.settings import Broker
    from streams.topics import Layout

topics = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="A broker's topics: create and check them.")

T = TypeVar("T")


Partitions = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, metavar="N", help="Partitions of each topic; as the topics that are there, if not given, else 8."),
]
Replication = Annotated[
    int | None,
    typer.Option(min=1, max=100, metavar="N", help="Copies of each topic; 3, if not given, or as many as there are brokers."),
]


class _Report(NamedTuple):
    """What was created, and what is not as it must be."""

    created: list[str]
    problems: list[str]


@topics.command("create", epilog=ALSO)
def topics_create(
    context: typer.Context,
    brokers: Brokers = LOCAL,
    partitions: Partitions = None,
    replication: Replication = None,
    prefix: Prefix = "",
    tls: Tls = False,
    ca_file: Authorities = None,
    user: User = None,
) -> None:
    """Create the topics that are missing.

    Never alters one that is there. Exit 1 where one of those is not as it must be.
    """
    from caremonth.cli_output import put, put_json

    report = _asked(_create(broker_of(brokers, tls, ca_file, user), partitions, replication, prefix))
    for name in report.created:
        if settings_of(context).json:
            put_json({"created": name})
        else:
            put(f"created {name}")
    _put_problems(context, report.problems)


@topics.command("check", epilog=ALSO)
def topics_check(
    context: typer.Context,
    brokers: Brokers = LOCAL,
    partitions: Partitions = None,
    replication: Replication = None,
    prefix: Prefix = "",
    tls: Tls = False,
    ca_file: Authorities = None,
    user: User = None,
) -> None:
    """Whether the topics are as they must be.

    Exit 1 and every mismatch, if not: what is missing, expires, is compacted, has other partitions or too few copies.
    """
    _put_problems(context, _asked(_check(broker_of(brokers, tls, ca_file, user), partitions, replication, prefix)))


def _put_problems(context: typer.Context, problems: list[str]) -> None:
    from caremonth.cli_output import put_rows

    put_rows(
        [{"problem": problem} for problem in problems],
        {"problem": lambda row: row["problem"]},
        as_json=settings_of(context).json,
        nothing="the topics are as they must be",
    )
    if problems:
        raise typer.Exit(1)


def _asked(question: Coroutine[Any, Any, T]) -> T:
    """The broker's answer; RefusedError where it has none. Its client's own log would say it a second time."""
    import asyncio
    import logging

    from caremonth.cli_errors import RefusedError
    from streams.admin import BrokerError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(question)
    except BrokerError as error:
        raise RefusedError(str(error)) from None


async def _create(broker: Broker, partitions: int | None, replication: int | None, prefix: str) -> _Report:
    from streams.admin import administering, create, describe
    from streams.topics import mismatches

    async with administering(broker.servers, **broker.security()) as client:
        layout = await _layout(client, partitions, replication, prefix)
        there = await describe(client, layout.names())
        created = await create(client, layout, there)
        seen = await describe(client, layout.names())
    return _Report([*created], mismatches(layout, created | seen))


async def _check(broker: Broker, partitions: int | None, replication: int | None, prefix: str) -> list[str]:
    from streams.admin import administering, describe
    from streams.topics import mismatches

    async with administering(broker.servers, **broker.security()) as client:
        layout = await _layout(client, partitions, replication, prefix)
        return mismatches(layout, await describe(client, layout.names()))


async def _layout(client: Any, partitions: int | None, replication: int | None, prefix: str) -> Layout:
    from streams.admin import replicas
    from streams.topics import REPLICATION, Layout

    return Layout(partitions, replication or await replicas(client, REPLICATION), prefix)
