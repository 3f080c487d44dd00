"""Servers that are processes of ours: in a session of their own, ended by their id, also when the tests are interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GUARD = str(Path(__file__).with_name("guard.py"))
PATIENCE = 20.0  # seconds for an orderly end
LAST_LINES = 15


@dataclass
class Process:
    """A server process that can be started again with the same command. Ctrl-C in the terminal does not reach it.

    Its log and its data lie in `folder`. A guard beside it ends it and removes them if the starter dies, be it by SIGKILL. `crash` is the
    signal that ends it at once: Postgres has its own, because its children outlive a SIGKILL of their parent for a moment.
    """

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    orderly: signal.Signals = signal.SIGTERM
    crash: signal.Signals = signal.SIGKILL
    _server: "subprocess.Popen[bytes] | None" = None
    _guard: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        if self._server is not None:
            raise RuntimeError(f"{self.command[0]} runs already: stop it first.")
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=no_groups(self.user),
            )
        guard = [sys.executable, "-I", "-S", GUARD, str(self._server.pid), str(int(self.crash)), str(self.folder)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    def stop(self) -> None:
        self._end(self.orderly)

    def kill(self) -> None:
        self._end(self.crash)

    def failure(self) -> str | None:
        if self._server is None or self._server.poll() is None:
            return None
        return f"it ended with status {self._server.returncode}; the end of its log: {self.last_words()}"

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return None if self._server is None else self._server.pid

    @property
    def log(self) -> Path:
        """What the process writes on its way."""
        return self.folder / "server.log"

    def last_words(self) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])

    def _end(self, how: signal.Signals) -> None:
        server, guard = self._server, self._guard
        if server is None or guard is None:
            return
        self._server = self._guard = None
        try:
            end(server, how)
        finally:
            guard.communicate(b".")


def end(process: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
    """Send a signal and wait for the end; a process that is still there after 20 s is killed."""
    process.send_signal(how)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def no_groups(user: int | None) -> list[int] | None:
    """The further groups of a child that runs as another user, which only root may decide; None leaves them alone."""
    return None if user is None else []
