"""What a billing topic says the lines are, for whoever has nothing but the topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from domain.lines import CLOSED, READY
from domain.settlement import LINE_READY, LINE_WITHDRAWN, MONTH_CLOSED

_TOLD: Final = ("units", "date_of_service", "site_id", "amount")


class LinesReplay:
    """Lines as the latest revision of each has them. Order over partitions does not matter: revisions never go back."""

    def __init__(self) -> None:
        self._revision: dict[str, int] = {}
        self._line: dict[str, tuple[str, tuple[Any, ...]] | None] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """One message, any number of times."""
        kind, data = event["type"], event["data"]
        if kind == LINE_READY:
            self._put(data, READY)
        elif kind == LINE_WITHDRAWN:
            self._put(data, None)
        elif kind == MONTH_CLOSED:
            for line in data["lines"]:
                self._put(line, CLOSED)

    def _put(self, line: Mapping[str, Any], status: str | None) -> None:
        identifier, revision = line["line_id"], line["revision"]
        if revision >= self._revision.get(identifier, 0):
            self._revision[identifier] = revision
            self._line[identifier] = (status, tuple(line[name] for name in _TOLD)) if status else None

    def differences(self, lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Ready and closed lines that the topic tells otherwise."""
        told = {identifier: line for identifier, line in self._line.items() if line is not None}
        stored = {line["line_id"]: (line["status"], tuple(line[n] for n in _TOLD)) for line in lines if line["status"] in (READY, CLOSED)}
        for identifier in sorted(told.keys() | stored.keys()):
            if told.get(identifier) != stored.get(identifier):
                yield f"line {identifier}: the topic tells it otherwise than it is stored"
