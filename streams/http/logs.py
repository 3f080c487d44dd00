"""Logs for machines: one JSON object a line. What other libraries say is cut down to what cannot hold health data."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from traceback import walk_tb
from typing import Final, TextIO

import structlog
from structlog.typing import FilteringBoundLogger

log: Final[FilteringBoundLogger] = structlog.get_logger("caremonth")


class Foreign(logging.Handler):
    """Passes on a library's record as its logger, the first line of its template without the values, and the kind of its error.

    Values and error texts are left out: they may quote a request.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """One line of ours for a record of theirs."""
        told = str(record.msg).splitlines()[:1]
        error = record.exc_info[1] if record.exc_info else None
        log.log(max(record.levelno, logging.INFO), "library", logger=record.name, template=told[0] if told else "", **kind_of(error))


def kind_of(error: BaseException | None) -> dict[str, str]:
    """An error's type and where it was raised, never its text."""
    if error is None:
        return {}
    places = [f"{Path(frame.f_code.co_filename).name}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return {"error": type(error).__name__, "raised_at": places[-1] if places else ""}


def configure(stream: TextIO | None = None) -> None:
    """Send our lines, and what libraries log from warnings on, to a stream (stderr if none is given)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[Foreign()], force=True)
