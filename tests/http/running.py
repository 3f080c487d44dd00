"""`caremonth serve` as a process of its own, on a port that the system chooses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.http.care import url_of


class Server:
    """A running server; `logged` are the lines it has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.logged: list[dict[str, Any]] = []
        self.client = httpx.Client(base_url=self._until("listening")["url"], timeout=60)

    def _until(self, event: str) -> dict[str, Any]:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.logged.append(json.loads(line))
            if self.logged[-1]["event"] == event:
                return self.logged[-1]
        raise AssertionError(f"the server ended without saying {event}: {self.logged}")

    def post(self, content: bytes, **headers: str) -> httpx.Response:
        return self.client.post("/v1/events", content=content, headers={"Content-Type": "application/json", **headers})

    def end(self, sign: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(sign)
        _, rest = self.process.communicate(timeout=60)
        self.logged += [json.loads(line) for line in rest.splitlines()]
        return self.process.returncode


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "caremonth", "--db", url_of(folder), "serve", "--port", "0", *options]


@contextmanager
def serving(folder: Path, options: Sequence[str] = ()) -> Iterator[Server]:
    """A server over the folder's ledger, killed at the end where it still runs."""
    process = subprocess.Popen(command(folder, *options), stderr=subprocess.PIPE, text=True)
    try:
        server = Server(process)
        with server.client:
            yield server
    finally:
        process.kill()
        process.communicate()
