"""What turns a server off and on again, whether it is a process of ours, a container of ours, or nobody's to stop."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class NotOursError(Exception):
    """A server that was named by the environment was asked to stop."""


class Lever(Protocol):
    """Starts and ends one server on the same port and data, as often as asked."""

    def start(self) -> None:
        """Start it; returns before it answers."""

    def stop(self) -> None:
        """End it in good order."""

    def kill(self) -> None:
        """End it as a crash would."""

    def failure(self) -> str | None:
        """Why it will never answer, where that is known already."""


class Named:
    """The lever of a server that the environment names: it is not ours to stop."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def start(self) -> None:
        raise NotOursError(f"The server that {self._variable} names is not ours to restart: unset it, and the tests start their own.")

    stop = kill = start

    def failure(self) -> str | None:
        return None


class Switch(NamedTuple):
    """A lever and how to wait until what it started answers."""

    lever: Lever
    wait: Callable[[Lever], None]

    @property
    def ours(self) -> bool:
        """Whether the server may be stopped and started again."""
        return not isinstance(self.lever, Named)

    def stop(self) -> None:
        """End the server in good order; its data and its port stay as they are."""
        self.lever.stop()

    def kill(self) -> None:
        """End the server as a crash would; its data and its port stay as they are."""
        self.lever.kill()

    def start(self) -> None:
        """Start the stopped server and return once it answers."""
        self.lever.start()
        self.wait(self.lever)

    def restart(self) -> None:
        """Stop in good order, start again, and return once it answers."""
        self.stop()
        self.start()
