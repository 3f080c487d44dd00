"""A process of the program under test: killed, frozen, thawed and stopped by its id."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.processes import GUARD

PATIENCE = 60.0


class Program:
    """A running command. One that ends without having been told to is a failure of the test."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str], port: int) -> None:
        self.name, self.log, self.port = name, log, port
        self.told_to_end = False
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env={**os.environ, **environment})
        # The guard also removes a folder, which a program does not have.
        guard = [sys.executable, "-I", "-S", GUARD, str(self.process.pid), str(int(signal.SIGKILL)), str(log.with_suffix(".none"))]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def state(self) -> str:
        """Whether it runs, for messages."""
        code = self.process.poll()
        return "runs" if code is None else f"ended with {code}"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def require_running(self) -> None:
        """Fail where it ended of itself."""
        if not self.told_to_end and not self.is_running:
            raise AssertionError(f"{self.name} {self.state}:\n{self.said[-6000:]}")

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.told_to_end = True
        self.process.kill()
        self._waited()

    def stop(self) -> int:
        """Ask it to end (SIGTERM); its exit code."""
        self.told_to_end = True
        self.process.send_signal(signal.SIGTERM)
        return self._waited()

    def ended(self) -> int:
        """Wait until it ends of itself; its exit code."""
        self.told_to_end = True
        return self._waited()

    def _waited(self) -> int:
        code = self.process.wait(PATIENCE)
        if not self._guard.stdin or not self._guard.stdin.closed:
            self._guard.communicate(b".")
        return code

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)
