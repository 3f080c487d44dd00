"""Topics at a real broker, a database of a real Postgres, and the programs that run on them, as a shell would start them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final, NamedTuple

import psycopg

from ledger import open_ledger
from streams.topics import INPUTS, PARTITIONS, Layout
from tests.bench.processes import cpu_seconds
from tests.servers import Kafka, Postgres, running_kafka, running_postgres
from tests.servers.processes import Process

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
"""Seconds that a program has to show that it got on, or to end."""


class Servers(NamedTuple):
    """A broker and a Postgres, both durable."""

    kafka: Kafka
    postgres: Postgres

    def cpu(self) -> dict[str, float]:
        """Processor seconds of each so far; of servers that are not processes of ours nothing is known."""
        levers = {"broker": self.kafka.switch.lever, "postgres": self.postgres.switch.lever}
        return {name: cpu_seconds(lever.pid) for name, lever in levers.items() if isinstance(lever, Process) and lever.pid is not None}


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Both, for the length of the block."""
    with running_kafka() as kafka, running_postgres() as postgres:
        yield Servers(kafka, postgres)


class State(NamedTuple):
    """How far an installation is: records taken, whether anything waits to be decided, decisions made and decisions sent."""

    taken: int
    due: bool
    decided: int
    relayed: int


STATE: Final = """
SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = ANY(%s)),
       %s AND (EXISTS (SELECT 1 FROM due) OR EXISTS (SELECT 1 FROM closings)),
       (SELECT coalesce(max(sequence), 0) FROM outbox),
       (SELECT coalesce(max(next_offset), 0) FROM positions WHERE topic = 'outbox.decisions')
"""


class Program:
    """One of our programs, running. What it says goes to a file."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "caremonth", *arguments]
        with log.open("ab") as said:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment())

    @property
    def pid(self) -> int:
        return self.process.pid

    def require(self) -> None:
        """Raise RuntimeError with its last words where it has ended."""
        if (status := self.process.poll()) is not None:
            said = self.log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"a program of the bench ended with status {status}:\n{said[-2000:]}")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in good order, or at once where it does not."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()


def environment() -> dict[str, str]:
    """Ours, without what a user of the program may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CAREMONTH_")}


class Installation:
    """Topics under a prefix of their own and a database."""

    def __init__(self, servers: Servers, database: str, prefix: str, folder: Path, stack: ExitStack) -> None:
        self.servers = servers
        self.database = database
        self.layout = Layout(PARTITIONS, 1, prefix)
        self.folder = folder
        self.group = f"{prefix}{uuid.uuid4().hex[:8]}"
        self._stack = stack
        address = database.replace("postgresql+psycopg", "postgresql")
        self._asking = stack.enter_context(psycopg.connect(address, autocommit=True))
        self._inputs = [self.layout.name(name) for name in INPUTS]

    def create_topics(self) -> None:
        """Create the topics as `caremonth topics create` would."""
        self.servers.kafka.create_topics(dict.fromkeys(self.layout.names(), PARTITIONS), self.layout.settings())

    def send(self, stream: Path) -> None:
        """Send the events of a file."""
        self._run("send", str(stream), *self._at())

    def send_lines(self, lines: list[bytes]) -> None:
        """Send a few events."""
        path = self.folder / "some.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        self.send(path)

    def create_ledger(self) -> None:
        """Have the schema in place, so that the clock does not see it made."""
        open_ledger(self.database).engine.dispose()

    def worker(self, instance: str, *options: str) -> Program:
        """Start a worker; it ends with the installation."""
        return self._start(f"worker-{instance}", "worker", *self._at(), "--group", self.group, "--instance", instance, *options)

    def relay(self) -> Program:
        """Start the relay."""
        return self._start("relay", "relay", *self._at())

    def differences(self) -> list[str]:
        """What `caremonth reconcile` finds."""
        done = self._called("--json", "reconcile", *self._at())
        if done.returncode not in (0, 1) or (done.returncode == 1 and not done.stdout):
            raise RuntimeError(f"reconcile failed:\n{done.stderr[-2000:]}")
        return done.stdout.splitlines()

    def state(self, taken: int) -> State:
        """How far it is; whether anything is due is looked at only when so many records were taken."""
        so_far = self._asking.execute(STATE, (self._inputs, False)).fetchone()
        found = self._asking.execute(STATE, (self._inputs, True)).fetchone() if so_far and so_far[0] >= taken else so_far
        if found is None:
            raise RuntimeError("a query for one row gave none")
        return State(found[0], bool(found[1]), found[2], found[3])

    def offsets_of(self, writer: str) -> dict[tuple[str, int], int]:
        """The positions that this worker was the last to move."""
        rows = self._asking.execute("SELECT topic, partition, next_offset FROM positions WHERE writer = %s AND next_offset > 0", (writer,))
        return {(topic, partition): offset for topic, partition, offset in rows}

    def partitions_of(self, writer: str) -> set[tuple[str, int]]:
        """The partitions that this worker was the last to get on with."""
        return set(self.offsets_of(writer))

    def _at(self) -> tuple[str, ...]:
        return ("--brokers", self.servers.kafka.bootstrap, "--prefix", self.layout.prefix)

    def _start(self, name: str, *arguments: str) -> Program:
        program = Program(["--db", self.database, *arguments], self.folder / f"{self.group}-{name}.log")
        self._stack.callback(program.stop)
        return program

    def _called(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "caremonth", "--db", self.database, *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True)

    def _run(self, *arguments: str) -> None:
        done = self._called(*arguments)
        if done.returncode:
            raise RuntimeError(f"caremonth {arguments[0]} failed:\n{done.stderr[-2000:]}")


@contextmanager
def installation(servers: Servers, folder: Path, prefix: str | None = None) -> Iterator[Installation]:
    """Topics of their own, or those that stand under a prefix, with an empty ledger; its programs end with the block."""
    with servers.postgres.database() as database, ExitStack() as stack:
        made = Installation(servers, database, prefix or f"b{uuid.uuid4().hex[:8]}.", folder, stack)
        if prefix is None:
            made.create_topics()
        made.create_ledger()
        yield made


def wait_until(done: Callable[[], bool], programs: list[Program], every: float = 0.05, patience: float = PATIENCE) -> None:
    """Look until it is so; RuntimeError where a program ends before, or after so many seconds."""
    until = monotonic() + patience
    while not done():
        for program in programs:
            program.require()
        if monotonic() > until:
            raise RuntimeError(f"a program of the bench did not get on for {patience:.0f} s; the bench's folder has its log")
        sleep(every)
