"""How a request is refused: a problem document (RFC 9457) that names what, why and what to do, and repeats no value."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818
    """A request that is not met; `detail` is a sentence without health data."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


FAULT: Final = Problem(500, "The program failed at this request, by a fault of its own; its log says where.")


def busy(detail: str, seconds: int = 1) -> Problem:
    """The server cannot just now; the same request may be sent again after so many seconds."""
    return Problem(503, detail, {"Retry-After": str(seconds)})


def response(problem: Problem) -> JSONResponse:
    """The answer that tells a problem."""
    status = HTTPStatus(problem.status)
    content = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": problem.detail}
    return JSONResponse(content, status.value, problem.headers, MEDIA_TYPE)
