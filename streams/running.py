"""Worker and relay as processes: started, told by a signal to stop, ended with a code that says how it went."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Iterable, Sequence

import structlog
from aiokafka.errors import KafkaError

from ledger import Ledger, LedgerError
from ledger.calm import calm
from streams.admin import BrokerError, administering, describe
from streams.memory import share
from streams.metrics import Metrics
from streams.monitor import monitored
from streams.records import Place
from streams.relay import Relay
from streams.rereading import ExpiredError, ShrunkError, require_reachable
from streams.settings import WorkerSettings
from streams.watchdog import Watchdog
from streams.worker import Worker


def stop_event() -> asyncio.Event:
    """Set when the process is told to stop (SIGTERM, SIGINT)."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def serve_metrics(metrics: Metrics, address: str, port: int | None) -> None:
    """Answer Prometheus, and whoever asks how it is, on a port of its own, if one is given."""
    if port is not None:
        monitored(metrics, address, port)


async def run_worker(settings: WorkerSettings, ledger: Ledger, topics: Iterable[str], metrics: Metrics) -> None:
    """Work until told to stop; raises what a batch could not be taken for."""
    stop, watchdog = stop_event(), Watchdog(settings.stall_after)
    share()
    worker = Worker(settings, ledger, topics, metrics, watchdog)
    gc.freeze()
    with calm():
        await _until_stopped(worker, watchdog, stop, list(topics))


async def _until_stopped(worker: Worker, watchdog: Watchdog, stop: asyncio.Event, topics: Sequence[str]) -> None:
    log = structlog.get_logger("worker")
    await worker.app.start()
    watchdog.start()
    log.info("started", group=worker.settings.group, instance=worker.settings.instance)
    looking = asyncio.create_task(_look(worker, topics))
    try:
        await _first(stop.wait(), worker.ended, worker.app._crashed.wait())
    finally:
        looking.cancel()
        watchdog.stop()
        await worker.stop()
        log.info("stopped")
    if worker.ended.done():
        worker.ended.result()
    if worker.app.crash_reason is not None:
        raise worker.app.crash_reason


async def _look(worker: Worker, topics: Sequence[str]) -> None:
    """See beside the work, which need not wait for it, that nothing is gone from the broker which was never taken; else end the worker."""
    broker = worker.settings.broker
    try:
        async with administering(broker.servers, **broker.security()) as client:
            there = await describe(client, topics)
        stored = await asyncio.to_thread(worker.ledger.positions, topics)
        places = [Place(topic, number) for topic, found in there.items() for number in range(found.partitions)]
        await require_reachable(broker, {place: stored.get((place.topic, place.partition), 0) for place in places})
    except (ExpiredError, ShrunkError) as error:
        worker.fail(error)
    except (BrokerError, KafkaError, LedgerError) as error:
        # Who reads the partitions finds the same, only later.
        structlog.get_logger("worker").warning("not_looked", error=type(error).__name__)


async def _first(*waited: Awaitable[object]) -> None:
    """Until one of them is done."""
    await asyncio.wait([asyncio.ensure_future(one) for one in waited], return_when=asyncio.FIRST_COMPLETED)


async def run_relay(relay: Relay) -> None:
    """Relay until told to stop."""
    stop = stop_event()
    running = asyncio.create_task(relay.run())
    await _first(running, stop.wait())
    relay.stopping.set()
    await running
