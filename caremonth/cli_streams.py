"""The commands that keep running beside a broker, and those that look after them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caremonth.cli_broker import LOCAL, Authorities, Brokers, Prefix, Tls, User, broker_of
from caremonth.cli_options import ALSO, Settings, settings_of

if TYPE_CHECKING:
    from streams.settings import Broker
    from streams.topics import Layout

positions = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="How far the ledger is with each partition.")

MetricsPort = Annotated[
    int | None,
    typer.Option("--metrics-port", envvar="CAREMONTH_METRICS_PORT", metavar="PORT", help="Answer Prometheus and health checks here."),
]
MetricsHost = Annotated[
    str, typer.Option("--metrics-host", envvar="CAREMONTH_METRICS_HOST", metavar="ADDRESS", help="The address of that port.")
]


def worker(
    context: typer.Context,
    brokers: Brokers = LOCAL,
    group: Annotated[str, typer.Option(envvar="CAREMONTH_GROUP", metavar="ID", help="The consumer group.")] = "caremonth",
    instance: Annotated[
        str | None,
        typer.Option(envvar="CAREMONTH_INSTANCE", metavar="ID", help="This worker's own name: restarted, it has its partitions at once."),
    ] = None,
    prefix: Prefix = "",
    tls: Tls = False,
    ca_file: Authorities = None,
    user: User = None,
    batch: Annotated[int, typer.Option(min=1, max=20_000, metavar="N", help="Records a transaction, at most.")] = 3_000,
    session_timeout: Annotated[float, typer.Option(min=1, metavar="S", help="Seconds of silence until others take over.")] = 8.0,
    stall_after: Annotated[float, typer.Option(min=5, metavar="S", help="Seconds without progress after which it ends itself.")] = 60.0,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Take events from the broker's topics into the ledger, and decide.

    Several share the partitions. Ends on SIGTERM after the batch at hand; with exit 1 and the reason where it must not go on.
    """
    from streams.settings import WorkerSettings

    settings = WorkerSettings(
        broker_of(brokers, tls, ca_file, user), group, instance, batch, session_timeout=session_timeout, stall_after=stall_after
    )
    _finish(_work(settings_of(context), settings, prefix, (metrics_host, metrics_port)))


async def _work(settings: Settings, worker_settings: Any, prefix: str, metrics_at: tuple[str, int | None]) -> None:
    from caremonth.cli_ledger import opened
    from streams.logs import configure
    from streams.metrics import Metrics
    from streams.running import run_worker, serve_metrics

    configure()
    layout = await _checked(worker_settings.broker, prefix)
    metrics = Metrics(worker_settings.stall_after)
    with opened(settings, create=True) as ledger:
        serve_metrics(metrics, *metrics_at)
        await run_worker(worker_settings, ledger, layout.inputs(), metrics)


def relay(
    context: typer.Context,
    brokers: Brokers = LOCAL,
    prefix: Prefix = "",
    tls: Tls = False,
    ca_file: Authorities = None,
    user: User = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
) -> None:
    """Send decisions and dead letters from the ledger to the broker's topics.

    One at a time does; a second one waits its turn. Ends on SIGTERM.
    """
    _finish(_relay(settings_of(context), broker_of(brokers, tls, ca_file, user), prefix, (metrics_host, metrics_port)))


async def _relay(settings: Settings, broker: Broker, prefix: str, metrics_at: tuple[str, int | None]) -> None:
    from caremonth.cli_ledger import opened
    from streams.logs import configure
    from streams.metrics import Metrics
    from streams.relay import Relay, sources
    from streams.running import run_relay, serve_metrics

    configure()
    layout = await _checked(broker, prefix)
    metrics = Metrics()
    with opened(settings, create=True) as ledger:
        serve_metrics(metrics, *metrics_at)
        await run_relay(Relay(broker, ledger, sources(ledger, layout), metrics))


def send(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of events, one a line; - is the standard input.")],
    brokers: Brokers = LOCAL,
    prefix: Prefix = "",
    tls: Tls = False,
    ca_file: Authorities = None,
    user: User = None,
) -> None:
    """Send events from files to the broker's topics, each to its topic under its key.

    What is no event goes to the general topic as it is: the worker puts it into the dead letters.
    """
    from caremonth.cli_intake import inputs_of
    from caremonth.cli_output import put_json
    from domain.rulebook_vocabulary import vocabulary
    from ledger.rule_files import PACKAGED
    from ledger.rules import load
    from streams.sending import send_all
    from streams.topics import Layout

    words = vocabulary(load(settings_of(context).rules or PACKAGED))
    sent = _finish(send_all(broker_of(brokers, tls, ca_file, user), Layout(prefix=prefix), inputs_of(files), words))
    put_json({"sent": sent})


def reconcile(
    context: typer.Context, brokers: Brokers = LOCAL, prefix: Prefix = "", tls: Tls = False, ca_file: Authorities = None, user: User = None
) -> None:
    """Compare broker and ledger: every record taken is an event or a dead letter, every decision was sent and stands as sent.

    Exit 1 and the differences, if any. Records that came in meanwhile are told as not taken yet: let the workers drain the topics first.
    """
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import note, put_rows
    from streams.reconcile import reconcile as compare
    from streams.topics import Layout

    settings = settings_of(context)
    with opened(settings) as ledger:
        found = _finish(compare(broker_of(brokers, tls, ca_file, user), ledger, Layout(prefix=prefix)))
    nothing = f"{found.records:,} records and {found.messages:,} messages: everything is accounted for"
    put_rows(
        [{"difference": one} for one in found.differences],
        {"difference": lambda row: row["difference"]},
        as_json=settings.json,
        nothing=nothing,
    )
    if found.differences:
        raise typer.Exit(1)
    if settings.json:
        note(nothing)


@positions.command("list", epilog=ALSO)
def positions_list(context: typer.Context) -> None:
    """The next offset of each partition, who took the last one and when."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import POSITIONS

    settings = settings_of(context)
    with opened(settings) as ledger:
        put_rows(ledger.all_positions(), POSITIONS, as_json=settings.json, nothing="nothing was taken from a broker yet")


@positions.command("accept-loss", epilog=ALSO)
def positions_accept_loss(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic.")],
    partition: Annotated[int, typer.Argument(min=0, metavar="PARTITION", help="The partition.")],
    offset: Annotated[int, typer.Argument(min=0, metavar="OFFSET", help="The first offset that is still there.")],
    by: Annotated[str, typer.Option(metavar="WHO", help="Who decides.")],
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why.")],
) -> None:
    """Go on behind records that expired before they were taken.

    Recorded with who and why. Nothing can bring these records back.
    """
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put

    with opened(settings_of(context)) as ledger:
        lost = ledger.accept_loss(topic, partition, offset, by=by, reason=reason)
    put(f"{topic}/{partition} goes on at offset {offset}; {lost} records are given up")


async def _checked(broker: Broker, prefix: str) -> Layout:
    """The layout of the topics as they are; RefusedError where a worker could lose something."""
    from caremonth.cli_errors import RefusedError
    from streams.admin import administering, describe, replicas
    from streams.topics import REPLICATION, Layout, mismatches

    async with administering(broker.servers, **broker.security()) as client:
        layout = Layout(None, await replicas(client, REPLICATION), prefix)
        problems = mismatches(layout, await describe(client, layout.names()))
    if problems:
        raise RefusedError("the topics are not as they must be: " + "; ".join(problems))
    return layout


def _finish(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end; what a broker refuses, or expired there, is told in a sentence."""
    import asyncio
    import logging

    from aiokafka.errors import KafkaConnectionError, KafkaError

    from caremonth.cli_errors import RefusedError
    from streams.admin import BrokerError
    from streams.rereading import ExpiredError, ShrunkError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work)
    except (BrokerError, ExpiredError, ShrunkError) as error:
        raise RefusedError(str(error)) from None
    except KafkaConnectionError:
        # Where the topics were looked at it answered then: an orchestrator starts this anew, as it does after a crash.
        raise RefusedError("the broker does not answer; start it, or name another with --brokers, and run this again") from None
    except KafkaError as error:
        raise RefusedError(f"the broker refused: {type(error).__name__}; see its log") from None
