"""How a worker or relay is, over HTTP: `/metrics` for Prometheus, `/healthz` for whoever starts it anew. Neither tells of anybody."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from streams.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class _Silent(WSGIRequestHandler):
    """Logs no request: a health check comes every few seconds."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its parent names it
        """Nothing."""


def monitored(metrics: Metrics, address: str, port: int) -> ThreadingWSGIServer:
    """Answer in the background from now on, for the life of the process; OSError where the address is not to be had."""
    server = make_server(address, port, _application(metrics), ThreadingWSGIServer, _Silent)
    Thread(target=server.serve_forever, name="monitor", daemon=True).start()
    return server


def _application(metrics: Metrics) -> WSGIApplication:
    figures = make_wsgi_app(metrics.registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            page: Iterable[bytes] = figures(environ, start_response)
            return page
        status, told = _health(metrics) if path == "/healthz" else (HTTPStatus.NOT_FOUND, {"pages": ["/healthz", "/metrics"]})
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    return answer


def _health(metrics: Metrics) -> tuple[HTTPStatus, dict[str, object]]:
    """200 while it gets on, 503 before it first did and when it has not for too long: then starting it anew may help."""
    if metrics.well:
        return HTTPStatus.OK, {"status": "working"}
    return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting" if metrics.moved_at is None else "stalled"}
