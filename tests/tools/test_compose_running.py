"""What the compose file starts, started without Docker: its commands and variables as they are, the addresses of this machine put in.

The sample goes through, everything is accounted for, and the health checks are those of the file.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.servers import Kafka, KafkaSettings, Postgres, running_kafka, running_postgres
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process
from tests.tools.compose import example, services
from tools.tree import ROOT

ANYWHERE = "0.0.0.0"  # noqa: S104 - as the file has it; nothing listens there
PATIENCE = 180.0  # seconds, on a machine that has much else to do
RUNNING = ("worker-1", "worker-2", "relay", "web")
FIGURE = re.compile(r"^(\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


def wait_until(done: Callable[[], bool], what: Callable[[], str]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, what()
        time.sleep(0.2)


class Stack:
    """The services on this machine: in a folder of their own, which they should leave empty, with free ports in place of the file's."""

    def __init__(self, folder: Path, kafka: Kafka, database: str, prefix: str) -> None:
        self.services = services(example() | {"CAREMONTH_TOPIC_PREFIX": prefix, "CAREMONTH_GROUP": f"{prefix}workers"})
        self.folder = folder
        self.home = folder / "home"
        self.tokens = folder / "tokens.json"
        self.ports = {name: free_port() for name in RUNNING}
        self.known = {"kafka:9092": kafka.bootstrap, "postgresql+psycopg://caremonth@postgres/caremonth": database, ANYWHERE: LOOPBACK}
        self.processes: dict[str, Process] = {}
        programs = folder / "bin"
        for made in (self.home, programs):
            made.mkdir()
        for name, command in {"caremonth": f'"{sys.executable}" -m caremonth', "python": f'"{sys.executable}"'}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self.tokens.write_text('{"tokens": []}\n', encoding="utf-8")
        path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self.outer = {**path, "HOME": str(self.home), "TMPDIR": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}

    def environment(self, name: str) -> dict[str, str]:
        """The service's variables."""
        own = {key: self.known.get(value, value) for key, value in self.services[name]["environment"].items()}
        if "CAREMONTH_METRICS_PORT" in own:
            own["CAREMONTH_METRICS_PORT"] = str(self.ports[name])
        if "CAREMONTH_TOKENS" in own:
            own["CAREMONTH_TOKENS"] = str(self.tokens)
        return {**self.outer, **own}

    def command(self, name: str, *words: str) -> list[str]:
        """What the service runs; other words in place of its own command."""
        service = self.services[name]
        told = {ANYWHERE: LOOPBACK, "8080": str(self.ports.get(name))}
        found = [*service.get("entrypoint", ["caremonth"]), *(words or [told.get(word, word) for word in service["command"]])]
        return ["sh", "-c", 'cd "$0" && exec "$@"', str(self.home), *found]

    def run(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a service that ends well; what it prints."""
        done = subprocess.run(
            self.command(name, *words),
            env=os.environ | self.environment(name),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, name: str, stack: ExitStack) -> None:
        """Start a service that stays."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        self.processes[name] = Process(self.command(name), folder, self.environment(name))
        self.processes[name].start()
        stack.callback(self.processes[name].stop)

    def healthy(self, name: str) -> bool:
        """Whether the service's own health check finds it well."""
        process = self.processes[name]
        assert process.failure() is None, process.failure()
        kind, *check = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        mapped = [re.sub(r"(?<=127\.0\.0\.1:)(9100|8080)(?=/)", str(self.ports[name]), word) for word in check]
        assert mapped != check
        return subprocess.run(mapped, env=os.environ | self.environment(name), capture_output=True, check=False).returncode == 0

    def await_health(self, *names: str) -> None:
        for name in names:
            wait_until(lambda name=name: self.healthy(name), lambda name=name: self.processes[name].last_words())  # type: ignore[misc]

    def stop(self, name: str) -> str:
        """Stop a service; its log."""
        self.processes[name].stop()
        return self.processes[name].log.read_text(encoding="utf-8")

    def get(self, name: str, path: str, token: str = "") -> str:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urlopen(Request(f"http://{LOOPBACK}:{self.ports[name]}{path}", headers=headers), timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    def figures(self, name: str) -> Mapping[str, float]:
        return {key: float(value) for key, value in FIGURE.findall(self.get(name, "/metrics"))}

    def all_decided(self, sent: int) -> bool:
        """Whether the workers took everything, nothing waits to be decided, and the relay sent every decision."""
        rows = [json.loads(line) for line in self.run("caremonth", "positions", "list", "--json").stdout.splitlines()]
        taken = sum(row["next_offset"] for row in rows if "care." in row["topic"])
        web, relay = self.figures("web"), self.figures("relay")
        decided = web["caremonth_undecided"] == 0 and web["caremonth_outbox_sequence"] > 0
        return (
            taken == sent and decided and relay.get('caremonth_outbox_sent{source="outbox.decisions"}') == web["caremonth_outbox_sequence"]
        )


OURS = {"node.id", "process.roles", "listeners", "advertised.listeners", "listener.security.protocol.map", "log.dirs", "heap.opts"}
"""Of the broker's settings, those that say where it listens and keeps its data: here the tests' own."""


def broker_settings() -> dict[str, str]:
    """The lines of server.properties that the broker's image makes of its variables."""
    given = services(example())["kafka"]["environment"].items()
    found = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in given if key.startswith("KAFKA_")}
    return {key: value for key, value in found.items() if key not in OURS and not key.startswith("controller.")}


def postgres_settings() -> dict[str, str]:
    """What Postgres is started with."""
    settings = [one.partition("=") for one in services(example())["postgres"]["command"] if "=" in one]
    return {key: value for key, _, value in settings}


@pytest.fixture(scope="module", name="servers")
def _servers() -> Iterator[tuple[Kafka, Postgres]]:
    """Broker and Postgres with the settings of the file."""
    with running_kafka(KafkaSettings(overrides=broker_settings())) as kafka, running_postgres(postgres_settings()) as postgres:
        yield kafka, postgres


@pytest.fixture
def stack(tmp_path: Path, servers: tuple[Kafka, Postgres], prefix: str) -> Iterator[Stack]:
    kafka, postgres = servers
    with postgres.database() as url:
        yield Stack(tmp_path, kafka, url, prefix)


def test_the_sample_goes_through_and_everything_is_accounted_for(stack: Stack) -> None:
    with ExitStack() as running:
        assert stack.run("topics").stdout.count("created") > 1
        for name in RUNNING:
            stack.start(name, running)
        stack.await_health(*RUNNING)

        sent = _sent_to_both(stack)
        assert sent > 1_000
        found = stack.run("caremonth", "reconcile").stderr
        assert found.startswith(f"{sent:,} records and ")
        assert found.endswith("everything is accounted for\n")
        wait_until(lambda: _lag(stack) == 0, lambda: str(_lag(stack)))
        stack.await_health(*RUNNING)

        with pytest.raises(HTTPError, match="401"):
            stack.get("web", "/v1/lines")
        token = stack.run("caremonth", "tokens", "new", "riverbend").stdout.strip()
        assert "stopped" in stack.stop("web")
        stack.start("web", running)
        stack.await_health("web")
        lines = [json.loads(line) for line in stack.run("caremonth", "lines", "--json").stdout.splitlines()]
        assert lines
        assert _answered(stack.get("web", "/v1/lines?tenant=riverbend", token)) == lines

        for name in RUNNING:
            assert "Traceback" not in stack.stop(name)
        assert not list(stack.home.iterdir())


def test_a_worker_to_which_no_partition_falls_is_well(stack: Stack) -> None:
    with ExitStack() as running:
        stack.run("topics", "topics", "create", "--partitions", "1")
        for name in ("worker-1", "worker-2"):
            stack.start(name, running)
        stack.await_health("worker-1", "worker-2")


def _lag(stack: Stack) -> float:
    """Records that the workers have not taken, of the partitions they have read from."""
    figures = [stack.figures(name) for name in ("worker-1", "worker-2")]
    told = [[value for key, value in one.items() if key.startswith("caremonth_lag_records{")] for one in figures]
    assert all(told)
    return sum(map(sum, told))


def _sent_to_both(stack: Stack) -> int:
    """Send the sample, again where one worker had taken it all before the other came into the group; how many records that were."""
    sent = 0
    for _ in range(5):
        sent += int(json.loads(stack.run("sample").stdout)["sent"])
        wait_until(partial(stack.all_decided, sent), lambda: stack.run("caremonth", "positions", "list").stdout)
        if _shared(stack) == {"worker-1", "worker-2"}:
            return sent
    raise AssertionError(f"only {_shared(stack)} took anything")


def _shared(stack: Stack) -> set[str]:
    """The workers that took something."""
    rows = [json.loads(line) for line in stack.run("caremonth", "positions", "list", "--json").stdout.splitlines()]
    return {row["writer"] for row in rows if "care." in row["topic"]}


def _answered(text: str) -> list[Any]:
    answer = json.loads(text)
    return list(answer["lines"] if isinstance(answer, dict) else answer)
