"""One installation on real servers: topics of a prefix, a database, and workers, relays and web servers as processes."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import psycopg
from aiokafka import AIOKafkaProducer
from sqlalchemy import make_url

from domain.rulebook_vocabulary import vocabulary
from ledger import Ledger, open_ledger
from ledger.positions import Partition
from streams.codec import Message
from streams.reconcile import Findings, reconcile
from streams.sending import message_of
from streams.settings import Broker
from streams.topics import Layout
from tests.servers import Kafka
from tests.servers.ports import LOOPBACK, free_port
from tests.streams.program import Program

PATIENCE = 120.0
"""Seconds until what must come to pass has: far more than it takes, since other tests may have the machine."""
SESSION = 6.0
Event = dict[str, Any]


class Plant:
    """What stands between a broker and a database. Its processes end with the block; `database` is the URL the ledger is opened at."""

    def __init__(self, kafka: Kafka, database: str, prefix: str, folder: Path, partitions: int = 4) -> None:
        self.kafka, self.database, self.prefix, self.folder = kafka, database, prefix, folder
        self.layout = Layout(partitions, 1, prefix)
        self.broker = Broker(kafka.bootstrap)
        self.programs: list[Program] = []
        self.ends: dict[Partition, int] = {}
        """The offset after the last record that the broker acknowledged to `produce`."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.kafka.create_topics(dict.fromkeys(self.layout.names(), self.layout.partitions or 1), self.layout.settings())
        self.ledger: Ledger = self._stack.enter_context(open_ledger(self.database))
        self.words = vocabulary(self.ledger.rulebook)
        return self

    def __exit__(self, *_exception: object) -> None:
        for program in self.programs:
            program.kill()
        self._stack.close()

    def worker(self, name: str = "one", *options: str, session: float = SESSION, instance: bool = True, waited: bool = True) -> Program:
        """A worker; `waited` until it has taken its place in the group."""
        port = free_port()
        named = ("--instance", f"{self.prefix}{name}") if instance else ()
        group = ("--group", f"{self.prefix}group", "--session-timeout", str(session), "--metrics-port", str(port))
        program = self._start(name, ["worker", *self._at(), *named, *group, *options], port)
        if waited:
            self.until(lambda: '"event": "started"' in program.said, f"{name} is started")
        return program

    def relay(self, name: str = "relay") -> Program:
        """A relay."""
        port = free_port()
        return self._start(name, ["relay", *self._at(), "--metrics-port", str(port)], port)

    def web(self, name: str = "web") -> Program:
        """A server that takes events over HTTP, once it listens."""
        port = free_port()
        program = self._start(name, ["serve", "--port", str(port)], port)
        self.until(lambda: listens(port), f"{name} listens")
        return program

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command, run to its end."""
        line = [sys.executable, "-m", "caremonth", "--db", self.database, *words]
        return subprocess.run(
            line, capture_output=True, text=True, check=False, timeout=PATIENCE, env={**os.environ, **self._environment()}
        )

    def send(self, events: Iterable[Event]) -> None:
        """Each event to its topic under its key, in order, acknowledged by the broker."""
        self.produce([message_of(json.dumps(event).encode(), self.layout, self.words) for event in events])

    def produce(self, messages: Sequence[Message], partition: int | None = None) -> list[tuple[str, int, int]]:
        """Messages, acknowledged by the broker; topic, partition and offset of each."""
        return asyncio.run(self._produced(messages, partition))

    async def _produced(self, messages: Sequence[Message], partition: int | None) -> list[tuple[str, int, int]]:
        async with AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap, acks="all", enable_idempotence=True, max_request_size=4 << 20
        ) as producer:
            sent = [await producer.send(topic, value, key, partition, headers=list(headers)) for topic, key, value, headers in messages]
            places = [(at.topic, at.partition, at.offset) for at in await asyncio.gather(*sent)]
        for topic, number, offset in places:
            self.ends[topic, number] = max(self.ends.get((topic, number), 0), offset + 1)
        return places

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with psycopg.connect(plain(self.database), autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def positions(self) -> dict[Partition, int]:
        """The next offset of each partition, of the relay's numbers too."""
        return {(topic, number): offset for topic, number, offset in self.ask("SELECT topic, partition, next_offset FROM positions")}

    def is_taken(self) -> bool:
        """Whether the ledger has all that was produced."""
        at = self.positions()
        return all(at.get(place, 0) >= end for place, end in self.ends.items())

    def is_drained(self) -> bool:
        """Whether, besides, nothing waits to be decided or sent."""
        if not self.is_taken():
            return False
        ((due, closings, decisions, letters),) = self.ask(
            "SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM closings), (SELECT coalesce(max(sequence), 0) FROM outbox), "
            "(SELECT coalesce(max(seq), 0) FROM dead_letters)"
        )
        at = self.positions()
        sent = at.get(("outbox.decisions", 0), 0) >= decisions and at.get(("outbox.dead-letters", 0), 0) >= letters
        return bool(due == closings == 0 and sent)

    def drained(self) -> None:
        """Wait until all is taken, decided and sent."""
        self.until(self.is_drained, "all is taken, decided and sent")

    def until(self, come: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait for something; fails where it does not come, or a process that should run has ended."""
        end = time.monotonic() + patience
        while not come():
            for program in self.programs:
                program.require_running()
            if time.monotonic() > end:
                told = "\n".join(f"--- {one.name} ({one.state}): {one.said[-1500:]}" for one in self.programs)
                raise AssertionError(
                    f"after {patience:.0f} s it is not so that {what}; positions {self.positions()}, ends {self.ends}\n{told}"
                )
            time.sleep(0.05)

    def reconciled(self) -> Findings:
        """What comparing broker and ledger finds: no difference."""
        found = asyncio.run(reconcile(self.broker, self.ledger, self.layout))
        assert found.differences == []
        return found

    def _at(self) -> list[str]:
        return ["--brokers", self.kafka.bootstrap, "--prefix", self.prefix]

    def _start(self, name: str, words: list[str], port: int) -> Program:
        command = [sys.executable, "-m", "caremonth", "--db", self.database, *words]
        program = Program(name, command, self.folder / f"{name}-{len(self.programs)}.log", self._environment(), port)
        self.programs.append(program)
        return program

    def _environment(self) -> dict[str, str]:
        return {"CAREMONTH_DEBUG": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def metric(program: Program, name: str) -> float:
    """The sum of a metric over its labels."""
    with urlopen(f"http://{LOOPBACK}:{program.port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def plain(url: str) -> str:
    """The database's URL as its own client reads it."""
    return make_url(url).set(drivername="postgresql").difference_update_query(["timeout"]).render_as_string(hide_password=False)
