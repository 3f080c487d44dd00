"""`POST /v1/events`: events in, an answer when they are durable, one result an event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import orjson
from fastapi import APIRouter, Request, Response
from jiter import from_json
from pydantic import BaseModel

from ledger import Ledger
from ledger.arrivals import Arrival, Fate, Parked, letter_id
from ledger.codec import LARGEST
from streams.http.bodies import BATCH, EVENT, JSON, LINES, events_in
from streams.http.problems import Problem, busy
from streams.http.service import Service
from streams.http.tokens import Access

_DISCARDED: Final = 8
"""So many times the limit is read and thrown away, so that the caller hears the refusal instead of a broken connection."""

_CLOSE: Final = {"Connection": "close"}


class Result(BaseModel):
    """What became of one event; `id` and `source` are null where they cannot be read, the last three are there for dead letters."""

    id: str | None
    source: str | None
    status: Literal["accepted", "duplicate", "dead_letter"]
    reason: str | None = None
    message: str | None = None
    dead_letter: str | None = None


class Results(BaseModel):
    """One result an event, in the order sent."""

    results: list[Result]


_ANY: Final[dict[str, Any]] = {"type": "object"}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            EVENT: {"schema": _ANY},
            BATCH: {"schema": {"type": "array", "items": _ANY}},
            JSON: {"schema": {"oneOf": [_ANY, {"type": "array", "items": _ANY}]}},
            LINES: {"schema": {"type": "string"}},
        },
    }
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Results},
    400: {"description": "The body is empty."},
    403: {"description": "An event is of a tenant the token has no right to; nothing was taken."},
    408: {"description": "The body did not arrive in time."},
    413: {"description": "The body is too large or has too many events; nothing was taken."},
    415: {"description": "Not a media type for events."},
    503: {"description": "Too much waits; send it again after Retry-After."},
}


def routes(service: Service) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["events"])

    @router.post("/v1/events", status_code=202, response_description="All of it is durable.", responses=_ANSWERS, openapi_extra=_BODY)
    async def post_events(request: Request) -> Response:
        """Take events in: one CloudEvent, an array of them, or one a line. What cannot be taken is parked, never dropped."""
        access = service.access(request, "write")
        with held(service) as room:
            return await _post(service, request, access, room)

    return router


async def _post(service: Service, request: Request, access: Access, room: Room) -> Response:
    body = await read_body(request, service, room)
    origin = f"POST /v1/events {access.name}".rstrip()
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    events = await service.validator(lambda ledger: _read(ledger, body, headers, origin, service.limits.events))
    if not all(access.covers(tenant) for tenant in _tenants(events)):
        raise Problem(403, "An event is of a tenant that this token has no right to; nothing of the request was taken.")
    fates = await service.writer.take(events) if events else []
    results = [_result(one, fate) for one, fate in zip(events, fates, strict=True)]
    return Response(orjson.dumps({"results": results}), 202, media_type=JSON)


def _read(ledger: Ledger, body: bytes, headers: Sequence[tuple[str, str]], origin: str, most: int) -> list[Arrival | Parked]:
    """The origin is the same each time, so that a request sent again parks nothing twice."""
    return ledger.read([(origin, event) for event in events_in(body, headers, most)])


def _tenants(events: Sequence[Arrival | Parked]) -> set[str]:
    named = (one.event.tenant if isinstance(one, Arrival) else one.tenant for one in events)
    return {tenant for tenant in named if tenant is not None}


def _result(one: Arrival | Parked, fate: Fate) -> dict[str, Any]:
    if isinstance(fate, Parked):
        return {
            **_named(fate.raw), "status": "dead_letter", "reason": fate.reason, "message": fate.message,
            "dead_letter": letter_id(fate.origin, fate.raw),
        }  # fmt: skip
    event = one.event if isinstance(one, Arrival) else None
    names = {"id": event.id, "source": event.source} if event else {"id": None, "source": None}
    return {**names, "status": "duplicate" if fate is None else "accepted"}


def _named(raw: bytes) -> dict[str, str | None]:
    """Id and source of an event that was parked, as far as they can be read."""
    try:
        value = from_json(raw) if len(raw) <= LARGEST else None
    except ValueError:
        value = None
    found = value if isinstance(value, dict) else {}
    return {name: text if isinstance(text := found.get(name), str) else None for name in ("id", "source")}


class Room:
    """The bytes of one request that are here."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.bytes = 0

    def add(self, size: int) -> None:
        """Make room for more; Problem 503 where the requests here leave none."""
        if self.service.held and self.service.held + size > self.service.limits.held:
            raise busy(
                "Too many requests are being sent at once; nothing of this one was taken, send it again after the time in Retry-After."
            )
        self.bytes += size
        self.service.held += size
        self.service.metrics.held.set(self.service.held)


@contextmanager
def held(service: Service) -> Iterator[Room]:
    """Room for one request, given back when it is answered."""
    room = Room(service)
    try:
        yield room
    finally:
        service.held -= room.bytes
        service.metrics.held.set(service.held)


async def read_body(request: Request, service: Service, room: Room) -> bytes:
    """The body; Problem 413 where it is larger than one may be, 408 where it does not arrive in time."""
    try:
        async with asyncio.timeout(service.limits.body_seconds):
            return await _read_body(request, service.limits.body, room)
    except TimeoutError:
        raise Problem(408, "The body did not arrive in time; send less at once.", _CLOSE) from None


async def _read_body(request: Request, most: int, room: Room) -> bytes:
    chunks, size = list[bytes](), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            room.add(len(chunk))
            chunks.append(chunk)
        elif size > most * _DISCARDED:
            break
    if size > most:
        raise Problem(413, f"The body is larger than {most} bytes; send its events in several requests. Nothing of it was taken.", _CLOSE)
    return b"".join(chunks)
