"""What may be read: lines, the explanation of a patient's month, alerts, and decisions as they are made. Each within the caller's tenants.

A read waits a little for the decisions on what was taken in before it, so that who has sent an event and been told 202 finds its effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from domain.identifiers import PARTY, TENANT
from ledger import Ledger, UnknownPatientError, reading
from streams.http.bodies import JSON, LINES
from streams.http.feed import Stream, Wanted
from streams.http.problems import Problem, busy
from streams.http.service import Service

UNDECIDED: Final = "Caremonth-Undecided"
MONTH: Final = r"^(?:20[0-9]{2}|2100)-(?:0[1-9]|1[0-2])$"
_POSITION: Final = 2**63 - 1
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A parameter is wrong or unknown."},
    401: {"description": "No token, or an unknown one."},
    403: {"description": "No right to the tenant, or to read."},
}

Tenant = Annotated[str | None, Field(pattern=TENANT, description="Only this tenant; all that the token may read, if not given.")]
Month = Annotated[str, Field(pattern=MONTH, description="A calendar month such as 2026-03.")]
Row = dict[str, Any]


class Asked(BaseModel):
    """Parameters of a query. An unknown one is refused: a mistyped filter must not widen what is answered."""

    model_config = ConfigDict(extra="forbid")

    tenant: Tenant = None


class LinesAsked(Asked):
    """Which lines."""

    month: Month | None = None
    patient: Annotated[str | None, Field(pattern=PARTY, description="Only this patient.")] = None


class AlertsAsked(Asked):
    """Which alerts."""

    after: Annotated[int, Field(ge=0, le=_POSITION, description="Only those after this `sequence`.")] = 0
    limit: Annotated[int | None, Field(ge=1, le=100_000, description="At most so many; all, if not given.")] = None


class StreamAsked(Asked):
    """Which decisions."""

    after: Annotated[int, Field(ge=0, le=_POSITION, description="Begin after this `sequence`; `Last-Event-ID` goes before it.")] = 0
    type: Annotated[list[str], Field(description="Only decisions of these types.", max_length=20)] = []


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["reading"], responses=_REFUSALS)

    @router.get("/v1/lines")
    async def get_lines(request: Request, asked: Annotated[LinesAsked, Query()]) -> Response:
        """Current lines, sorted by tenant, patient, month, program, practitioner, code and date of service."""
        reach = service.reach(request, asked.tenant)
        decided = await service.writer.decided()
        return rows_of(request, await service.reader(lambda ledger: _lines(ledger, reach, asked)), decided)

    @router.get("/v1/patients/{patient}/months/{month}", responses={404: {"description": "Nothing is known of the patient."}})
    async def get_patient_month(
        request: Request,
        patient: str,
        month: Annotated[str, Path(pattern=MONTH, description="A calendar month such as 2026-03.")],
        asked: Annotated[Asked, Query()],
    ) -> Response:
        """Every second of a patient's month: counted, or why not; its lines, and what is missing for the next code."""
        reach = service.reach(request, asked.tenant)
        decided = await service.writer.decided()
        return answer(orjson.dumps(await service.reader(lambda ledger: _explained(ledger, reach, patient, month))), decided)

    @router.get("/v1/alerts")
    async def get_alerts(request: Request, asked: Annotated[AlertsAsked, Query()]) -> Response:
        """Alerts raised, in order."""
        reach = service.reach(request, asked.tenant)
        decided = await service.writer.decided()
        return rows_of(request, await service.reader(lambda ledger: ledger.alerts(reach, asked.after, asked.limit)), decided)

    return router


def streaming(service: Service) -> APIRouter:
    """The route of decisions as they are made."""
    router = APIRouter(
        tags=["reading"], responses={**_REFUSALS, 200: {"content": {Stream.media_type: {}}}, 503: {"description": "Too many listen."}}
    )

    @router.get("/v1/stream", response_class=Response, response_model=None, status_code=200)
    async def get_stream(
        request: Request,
        asked: Annotated[StreamAsked, Query()],
        last_event_id: Annotated[str | None, Header(description="Where an earlier stream ended.")] = None,
    ) -> Response:
        """Decisions in order as server-sent events, from the beginning or after a position, then as they are made."""
        reach = service.reach(request, asked.tenant)
        after = asked.after if last_event_id is None else position_of(last_event_id)
        if service.feed.listeners >= service.limits.streams:
            raise busy("Too many listen already; come again after the time in Retry-After.", 5)
        return Stream(service.feed, Wanted(after, reach, asked.type), service.limits.send_seconds)

    return router


def position_of(text: str) -> int:
    """The position that `Last-Event-ID` names; Problem 400 for what is none."""
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _POSITION):
        raise Problem(400, "Last-Event-ID must be the id of an event of this stream, a whole number; leave it out to begin anew.")
    return int(text)


def _lines(ledger: Ledger, reach: Sequence[str] | None, asked: LinesAsked) -> list[Row]:
    if reach is None:
        return ledger.lines(None, asked.month, asked.patient)
    return [line for tenant in reach for line in ledger.lines(tenant, asked.month, asked.patient)]


def _explained(ledger: Ledger, reach: Sequence[str] | None, patient: str, month: str) -> Row:
    """The explanation. Without a tenant it is looked for among the caller's: what others know of such a patient stays unsaid."""
    among = reading.tenants(ledger.engine) if reach is None else reach
    found = reading.tenants_of(ledger.engine, patient, among)
    if len(found) > 1:
        raise Problem(400, "Several tenants know a patient of this id; name one with the parameter tenant.")
    try:
        return ledger.explain(found[0] if found else "", patient, month)
    except UnknownPatientError:
        raise Problem(404, "Nothing is known of this patient here; check the id, and that the patient's events were sent.") from None


def rows_of(request: Request, rows: Sequence[Row], decided: bool) -> Response:
    """Rows as a JSON array, or one a line where that is asked for."""
    if LINES in request.headers.get("accept", ""):
        return answer(b"".join(orjson.dumps(row) + b"\n" for row in rows), decided, LINES)
    return answer(orjson.dumps(rows), decided)


def answer(content: bytes, decided: bool, media_type: str = JSON) -> Response:
    """An answer that says so where it does not yet show all that was taken in before."""
    return Response(content, headers={} if decided else {UNDECIDED: "true"}, media_type=media_type)
