"""The sample's lines on their way out: numbered, kept by the UTC day they were recorded, handed out in order of `time`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from caremonth.sample_clock import DAY, utc

_COPIED = 0.006
_RESPELT = 0.004


class Stream:
    """Lines wait here by the day they were recorded, so that memory holds a day and what is late, never the whole stream.

    `draw` decides which lines come twice: chance of its own, so that copies change nothing else.
    """

    __slots__ = ("_days", "_draw", "_number", "_run", "tenant")

    def __init__(self, tenant: str, run: str, draw: Callable[[], float]) -> None:
        self.tenant = tenant
        self._run = run
        self._draw = draw
        self._number = 0
        self._days: dict[int, list[tuple[int, int, str]]] = {}

    def put(self, kind: str, subject: str, source: str, recorded: int, data: str, replaces: str = "") -> str:
        """Adds `care.<kind>.v1` with the members of `data` as JSON text; returns the new event's id."""
        self._number += 1
        name = f"{self._run}-{self._number:x}"
        extension = f'"replaces":"{replaces}",' if replaces else ""
        line = (
            f'{{"specversion":"1.0","id":"{name}","source":"{source}","type":"care.{kind}.v1","tenant":"{self.tenant}",'
            f'"subject":"{subject}","time":"{utc(recorded)}",{extension}"data":{{{data}}}}}'
        )
        self._keep(recorded, self._number, line)
        return name

    def put_aside(self, name: str, kind: str, subject: str, source: str, recorded: int, data: str) -> None:
        """Adds an event under a name of its own and never copies it: everything else stays what it is without it."""
        line = (
            f'{{"specversion":"1.0","id":"{self._run}-{name}","source":"{source}","type":"care.{kind}.v1","tenant":"{self.tenant}",'
            f'"subject":"{subject}","time":"{utc(recorded)}","data":{{{data}}}}}'
        )
        self._keep(recorded, 0, line)

    def through(self, day: int) -> Iterator[str]:
        """What was recorded up to the end of a UTC day; nothing of that day may be added afterwards, or the order breaks."""
        for ready in sorted(waiting for waiting in self._days if waiting <= day):
            yield from self._of(ready)

    def rest(self) -> Iterator[str]:
        """Everything still waiting."""
        for ready in sorted(self._days):
            yield from self._of(ready)

    def _keep(self, recorded: int, number: int, line: str) -> None:
        day = recorded // DAY
        if day not in self._days:
            self._days[day] = []
        self._days[day].append((recorded, number, line))

    def _of(self, day: int) -> Iterator[str]:
        lines = self._days.pop(day)
        lines += self._repeats(lines, _COPIED, str)
        lines += self._repeats(lines, _RESPELT, respelt)
        lines.sort()
        return (line for _, _, line in lines)

    def _repeats(self, lines: list[tuple[int, int, str]], share: float, spell: Callable[[str], str]) -> list[tuple[int, int, str]]:
        lines = [line for line in lines if line[1]]
        count = int(len(lines) * share + self._draw()) if lines else 0
        chosen = [lines[int(self._draw() * len(lines))] for _ in range(count)]
        return [(recorded, number, spell(line)) for recorded, number, line in chosen]


def respelt(line: str) -> str:
    """The same event in another key order and with spaces: a duplicate by content, not by bytes."""
    event = json.loads(line)
    event["data"] = dict(reversed(event["data"].items()))
    return json.dumps(dict(reversed(event.items())))
