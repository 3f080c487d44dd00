"""Events of objects that were validated when they came in: only their forms are turned again."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import SimpleNamespace
from typing import Any, Final

from domain.event import Event, identity_of
from domain.event_types import EVENT_TYPES
from domain.instants import parse_day, parse_instant
from domain.upcasting import UPCASTS, Upcasts

ENROLLED: Final = "care.enrollment.started.v1"
RETRACTED: Final = "care.event.retracted.v1"
DEFAULT_TRACK: Final = "staff"
_INSTANTS: Final = frozenset({"at", "start", "end"})
_DAYS: Final = frozenset({"onset", "valid_from"})


def _forms(model: Any) -> tuple[Mapping[str, Any], tuple[str, ...], tuple[str, ...]]:
    fields = model.model_fields
    usual = {name: None if field.is_required() else field.default for name, field in fields.items()}
    return usual, tuple(_INSTANTS & fields.keys()), tuple(_DAYS & fields.keys())


FORMS: Final = {name: _forms(model) for name, model in EVENT_TYPES.items()}
"""Of each type: its fields in order with what they are when absent, the fields that are instants, and those that are dates."""


def turned(obj: Any, tracked: Container[str], upcasts: Upcasts = UPCASTS) -> Event:
    """The event of a parsed object; KeyError, TypeError or ValueError where it is none."""
    kind, written = obj["type"], obj["data"]
    if kind not in FORMS:
        kind, written = upcasts.present(kind, written)
    usual, instants, days = FORMS[kind]
    data: dict[str, Any] = {**usual, **written}
    for name in instants:
        if data[name] is not None:
            data[name] = parse_instant(data[name])
    for name in days:
        if data[name] is not None:
            data[name] = parse_day(data[name])
    _fill(kind, data, obj["source"], tracked)
    time = parse_instant(obj["time"])
    source, identifier, facts = obj["source"], obj["id"], SimpleNamespace(**data)
    return Event(obj["tenant"], source, identifier, kind, obj["subject"], time, obj.get("replaces"), facts, identity_of(source, identifier))


def _fill(kind: str, data: dict[str, Any], source: str, tracked: Container[str]) -> None:
    """Defaults that depend on other fields, null where it means the default, and numbers by value."""
    if kind == ENROLLED and data["track"] is None and data["program"] in tracked:
        data["track"] = DEFAULT_TRACK
    elif kind == RETRACTED and data["source"] is None:
        data["source"] = source
    elif "supervision" in data and data["supervision"] is None:
        data["supervision"] = "general"
    elif isinstance(data.get("expected_months"), float):
        data["expected_months"] = int(data["expected_months"])
