"""The process: a socket, uvicorn on it, and a stop that finishes what was taken."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from streams.http.limits import Limits
from streams.http.service import Service


class Server(uvicorn.Server):
    """uvicorn's server, which ends the streams when it stops and leaves the exit code to the command.

    `started_with` hears when requests are answered.
    """

    def __init__(self, config: uvicorn.Config, service: Service, started_with: Callable[[], None]) -> None:
        super().__init__(config)
        self.service = service
        self.started_with = started_with

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 as uvicorn calls it
        """The first signal stops when what was taken is finished; a second does not wait for it."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        if self.started:
            self.started_with()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams first: uvicorn waits for every request to end."""
        self.service.feed.stop()
        await super().shutdown(sockets)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; OSError where the address is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def run(app: ASGIApp, service: Service, listening: socket.socket, started_with: Callable[[], None]) -> None:
    """Serve until a signal asks to stop."""
    server = Server(config(app, service.limits), service, started_with)
    gc.collect()
    gc.freeze()
    asyncio.run(server.serve([listening]))


def config(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    """What uvicorn is told: no logs of its own, no proxy believed, no name of the server, small headers, a bound number of connections."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=limits.connections,
        h11_max_incomplete_event_size=limits.headers,
        timeout_graceful_shutdown=int(limits.stop_seconds),
    )
