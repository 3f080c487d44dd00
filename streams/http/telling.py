"""Around every request: its log line, figures and span, the headers every answer has, and an answer where the program failed."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.propagate import extract
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.http.logs import kind_of, log
from streams.http.metrics import Metrics
from streams.http.problems import FAULT, response

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
_tracer: Final = trace.get_tracer("caremonth.http")


class Telling:
    """ASGI around the application. A path may hold a patient's id: only the route's template is told, to log, metrics and traces."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in (b"traceparent", b"tracestate")
        }
        with _tracer.start_as_current_span("http", context=extract(headers), kind=trace.SpanKind.SERVER) as span:
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: trace.Span) -> None:
        start, answer = perf_counter(), Answer(send)
        try:
            await self.app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 an error's text may quote a request; only its kind is told
            log.error("failed", route=route_of(scope), **kind_of(error))
            await self._apologise(scope, receive, answer)
        finally:
            self._tell(scope, answer.status, perf_counter() - start, span)

    async def _apologise(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        if not answer.status:
            await response(FAULT)(scope, receive, answer)

    def _tell(self, scope: Scope, status: int, seconds: float, span: trace.Span) -> None:
        route, method = route_of(scope), scope["method"] if scope["method"] in _METHODS else "OTHER"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        context = span.get_span_context()
        traced = {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}
        log.info("request", method=method, route=route, status=status, seconds=round(seconds, 4), **traced)


class Answer:
    """Passes an answer on with our headers, and remembers its status; 0 before it began."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """One part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = with_ours(message.get("headers", ()))
        await self.send(message)


def with_ours(headers: Any) -> list[tuple[bytes, bytes]]:
    """The headers with ours; a page's own policy stands."""
    given = [(bytes(name).lower(), bytes(value)) for name, value in headers]
    names = {name for name, _ in given}
    return [*given, *((name, value) for name, value in (*_HEADERS, POLICY) if name not in names)]


def route_of(scope: Scope) -> str:
    """The template of the route that answered, `(none)` where none did."""
    return str(getattr(scope.get("route"), "path", "(none)"))
