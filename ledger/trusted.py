"""Events read back from the ledger's own bytes: they were validated when they came in, so only their forms are turned again."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import SimpleNamespace
from typing import Any, Final

import orjson

from domain.envelope import Event
from domain.event_types import EVENT_TYPES
from domain.instants import parse_day, parse_instant
from domain.upcasting import UPCASTS, Upcasts

ENROLLED: Final = "care.enrollment.started.v1"
DEFAULT_TRACK: Final = "staff"
_INSTANTS: Final = frozenset({"at", "start", "end"})
_DAYS: Final = frozenset({"onset", "valid_from"})


def _forms(model: Any) -> tuple[Mapping[str, None], tuple[str, ...], tuple[str, ...]]:
    fields = model.model_fields
    absent = {name: None for name, field in fields.items() if not field.is_required()}
    return absent, tuple(_INSTANTS & fields.keys()), tuple(_DAYS & fields.keys())


_FORMS: Final = {name: _forms(model) for name, model in EVENT_TYPES.items()}


def reread(raw: bytes, tracked: Container[str], upcasts: Upcasts = UPCASTS) -> Event:
    """The event of stored bytes, without validating it anew; `tracked` are the programs whose enrolments have a track."""
    obj = orjson.loads(raw)
    kind, written = obj["type"], obj["data"]
    if kind not in _FORMS:
        kind, written = upcasts.present(kind, written)
    absent, instants, days = _FORMS[kind]
    data: dict[str, Any] = {**absent, **written}
    for name in instants:
        if data[name] is not None:
            data[name] = parse_instant(data[name])
    for name in days:
        if data[name] is not None:
            data[name] = parse_day(data[name])
    if kind == ENROLLED and data["track"] is None and data["program"] in tracked:
        data["track"] = DEFAULT_TRACK
    time = parse_instant(obj["time"])
    return Event(obj["tenant"], obj["source"], obj["id"], kind, obj["subject"], time, obj.get("replaces"), SimpleNamespace(**data))
