"""Servers in Docker: the engine is asked whether it answers, because its client is there without one."""

import gc
import warnings
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from tests.servers.finding import UnavailableError

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

PATIENCE = 20  # seconds for an orderly end
MEMORY = "1g"


class Container:
    """A lever on a container that publishes a fixed port, so that it comes back where it was."""

    def __init__(self, container: "DockerContainer") -> None:
        self._container = container

    def start(self) -> None:
        self._container.get_wrapped_container().start()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=PATIENCE)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def failure(self) -> str | None:
        return None


def require_engine() -> None:
    """Ask Docker's engine for a sign of life. `UnavailableError` without the client or the engine."""
    with warnings.catch_warnings():
        # The client leaves the socket that was refused to the garbage collector, which would warn in the middle of some test.
        warnings.simplefilter("ignore", ResourceWarning)
        alive = answers()
        gc.collect()
    if not alive:
        raise UnavailableError("Docker's engine does not answer")


def answers() -> bool:
    """Whether the engine answers a ping. `UnavailableError` without its client."""
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        raise UnavailableError("the package 'testcontainers' is not installed") from None
    try:
        with closing(docker.from_env(timeout=5)) as client:
            return bool(client.ping())
    except (DockerException, OSError):  # what the client's HTTP library raises is an OSError
        return False


def run(container: "DockerContainer", stack: ExitStack) -> Container:
    """Start a container that is removed with the stack. `UnavailableError` where its image cannot be had or it does not start."""
    from docker.errors import DockerException

    stack.callback(container.stop)
    try:
        container.start()
    except (DockerException, TimeoutError, RuntimeError) as why:
        raise UnavailableError(f"Docker cannot run {container.image}: {why}") from why
    return Container(container)
