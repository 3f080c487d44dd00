"""Events read back from the ledger's own bytes: they were validated when they came in, so only their forms are turned again."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

import orjson

from domain.envelope import Event
from domain.instants import parse_day, parse_instant

_INSTANTS: Final = ("at", "start", "end")
_DAYS: Final = ("onset", "valid_from")


ENROLLED: Final = "care.enrollment.started.v1"
DEFAULT_TRACK: Final = "staff"


class Data(dict[str, Any]):
    """An event's data by attribute; an absent optional field is None."""

    __slots__ = ()
    __getattr__ = dict.get


def reread(raw: bytes, tracked: Container[str]) -> Event:
    """The event of stored bytes, without validating it anew; `tracked` are the programs whose enrolments have a track."""
    obj = orjson.loads(raw)
    data = Data(obj["data"])
    if obj["type"] == ENROLLED and data.get("track") is None and data["program"] in tracked:
        data["track"] = DEFAULT_TRACK
    for name in _INSTANTS:
        value = data.get(name)
        if value is not None:
            data[name] = parse_instant(value)
    for name in _DAYS:
        value = data.get(name)
        if value is not None:
            data[name] = parse_day(value)
    return Event(
        obj["tenant"],
        obj["source"],
        obj["id"],
        obj["type"],
        obj["subject"],
        parse_instant(obj["time"]),
        obj.get("replaces"),
        data,
    )
