"""Is it alive, is it ready, and its figures. None of it asks for a token, and none of it tells of anybody."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from ledger import LedgerError
from ledger.condition import Condition, condition
from streams.http.metrics import CONTENT_TYPE
from streams.http.service import Service


class Readiness(BaseModel):
    """Whether requests should come here; `checks` has a word for each thing looked at, `ok` where it is good."""

    ready: bool
    checks: dict[str, str]
    undecided_seconds: float
    queue_events: int


def routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def get_health() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"model": Readiness}})
    async def get_readiness() -> Readiness:
        """Database reachable and at this program's schema, room in the queue, deciding not far behind. 503 where one is not so."""
        found = _readiness(service, await _condition(service))
        return found if found.ready else JSONResponse(found.model_dump(), 503)  # type: ignore[return-value]

    @router.get("/metrics", response_class=Response)
    async def get_metrics() -> Response:
        """Figures for Prometheus."""
        service.metrics.undecided_seconds.set(service.writer.lag())
        service.metrics.streams.set(service.feed.listeners)
        return Response(service.metrics.text(await _condition(service)), media_type=CONTENT_TYPE)

    return router


async def _condition(service: Service) -> Condition | None:
    try:
        return await service.reader(lambda ledger: condition(ledger.engine))
    except LedgerError:
        return None


def _readiness(service: Service, now: Condition | None) -> Readiness:
    writer, lag = service.writer, service.writer.lag()
    checks = {
        "database": "ok" if now else "it does not answer",
        "schema": "ok" if now and now.at_head else "it is not this program's",
        "writer": "ok" if writer.alive else "it has ended",
        "queue": "full" if writer.full() else "ok",
        "deciding": "it fails" if writer.trouble else "it is far behind" if lag > service.limits.lag_seconds else "ok",
    }
    ready = all(word == "ok" for word in checks.values())
    return Readiness(ready=ready, checks=checks, undecided_seconds=round(lag, 3), queue_events=writer.queued_events)
