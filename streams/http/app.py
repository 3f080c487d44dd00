"""The application: the routes put together, and how each kind of refusal is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from domain.identifiers import shown
from ledger import LedgerError
from streams.http import health, intake, pages, reads
from streams.http.hosts import LocalOnly
from streams.http.logs import kind_of, log
from streams.http.problems import FAULT, MEDIA_TYPE, Problem, busy, response
from streams.http.service import Service
from streams.http.telling import Telling

_ABOUT: Final = (
    "What happened in care in, what may be billed out, with the reason for every second. Events are CloudEvents; "
    f"a refusal is a problem document ({MEDIA_TYPE})."
)
_SILENT: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own telemetry would send paths, and so patients' ids, to wherever the environment says; ours tells routes only."""


def application(service: Service) -> ASGIApp:
    """The ASGI application over a service."""
    app = FastAPI(
        title="caremonth", version="1", description=_ABOUT, docs_url=None, redoc_url=None, lifespan=_lifespan(service), telemetry=_SILENT,
        redirect_slashes=False,
    )  # fmt: skip
    secured = [Depends(HTTPBearer(auto_error=False, description="A token of the file that the server was started with."))]
    app.include_router(intake.routes(service), dependencies=secured)
    app.include_router(reads.routes(service), dependencies=secured)
    app.include_router(reads.streaming(service), dependencies=secured)
    app.include_router(health.routes(service))
    app.include_router(pages.routes(app))
    _tell_problems(app)
    return Telling(LocalOnly(app) if service.tokens is None else app, service.metrics)


def _lifespan(service: Service) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    return lifespan


def _tell_problems(app: FastAPI) -> None:
    """Every refusal is a problem document; none repeats what was sent."""
    app.add_exception_handler(Problem, _told)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(LedgerError, _ledger)
    app.add_exception_handler(Exception, _fault)


async def _told(_request: Request, error: Exception) -> Response:
    return response(error if isinstance(error, Problem) else FAULT)


async def _fault(_request: Request, _error: Exception) -> Response:
    """The error goes on to whoever logs it."""
    return response(FAULT)


async def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = {
        404: "There is no such page; /docs lists what there is.",
        405: "This page does not take this method; /docs lists what it takes.",
    }
    headers = error.headers if isinstance(error, HTTPException) else None
    return response(Problem(status, sentence.get(status, "The request cannot be met."), headers))


async def _parameters(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    names = sorted({shown(str(one["loc"][-1])) for one in found})
    return response(Problem(400, f"Not as it must be, or unknown: the parameter {', '.join(names)}; /docs has each one's form."))


async def _ledger(_request: Request, error: Exception) -> Response:
    log.warning("ledger refused", **kind_of(error))
    return response(busy("The ledger cannot be read just now; send the request again."))
