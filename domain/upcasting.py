"""Events of an older version of their type, brought to the present one (docs/contract.md §1: names and meanings do not change).

A type that must change gets a new version beside it (`care.visit.completed.v2`) and the old one an `Upcast` here. The bytes
of an event stay as they came; whoever reads them gets the present form. Type and digest that a ledger has stored are of the
present form too, so the release that brings a new version comes with a migration that writes those of the older one anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from domain.event_errors import refusal
from domain.event_types import EVENT_TYPES, Fact

Data = dict[str, Any]


class Upcast(NamedTuple):
    """One step: data of the type `old`, which has the form `form`, becomes data of the type `new` by `change`."""

    old: str
    new: str
    form: type[Fact]
    change: Callable[[Data], Data]


class Upcasts:
    """All steps. Raises ValueError that names the type where one is released and leads nowhere, twice or in a circle."""

    def __init__(self, steps: Iterable[Upcast] = (), *, released: Iterable[str], current: Collection[str]) -> None:
        self._steps: dict[str, Upcast] = {}
        for step in steps:
            if step.old in self._steps:
                raise ValueError(f"{step.old} has two upcasts, to {self._steps[step.old].new} and {step.new}; keep one")
            if step.old in current:
                raise ValueError(f"{step.old} is a current type and has an upcast to {step.new}; remove one of the two")
            self._steps[step.old] = step
        self._chains: Mapping[str, tuple[Upcast, ...]] = {
            kind: self._chain(kind, current) for kind in [*self._steps, *released] if kind not in current
        }

    def _chain(self, kind: str, current: Collection[str]) -> tuple[Upcast, ...]:
        names, chain = [kind], list[Upcast]()
        while names[-1] not in current:
            step = self._steps.get(names[-1])
            if step is None:
                raise ValueError(f"{' → '.join(names)} ends there and is no current type; add an upcast of {names[-1]}")
            names.append(step.new)
            chain.append(step)
            if step.new in names[:-1]:
                raise ValueError(f"the upcasts go in a circle: {' → '.join(names)}; one must lead to a current type")
        return tuple(chain)

    def present(self, kind: str, data: object) -> tuple[str, object]:
        """Type and data in the present version; as they are where no older one is known by that name.

        Raises `Invalid` with reason `invalid_data` where the data does not have the form of its version.
        """
        for step in self._chains.get(kind, ()):
            if not isinstance(data, dict):
                return step.new, data
            kind, data = step.new, _changed(step, data)
        return kind, data


def _changed(step: Upcast, data: Data) -> Data:
    try:
        TypeAdapter(step.form).validate_python(data)
    except ValidationError as error:
        raise refusal("invalid_data", error, "data.") from None
    return step.change(dict(data))


RELEASED: Final = (
    "care.site.registered.v1",
    "care.practitioner.registered.v1",
    "care.enrollment.started.v1",
    "care.enrollment.ended.v1",
    "care.consent.given.v1",
    "care.consent.revoked.v1",
    "care.visit.completed.v1",
    "care.time.logged.v1",
    "care.condition.recorded.v1",
    "care.plan.recorded.v1",
    "care.mdm.recorded.v1",
    "care.device.set_up.v1",
    "care.device.reading.v1",
    "care.stay.recorded.v1",
    "care.patient.died.v1",
    "care.month.closed.v1",
    "care.event.retracted.v1",
)
"""Every type that a release has ever taken in: nothing is removed from this list, since ledgers hold such events."""

UPCASTS: Final = Upcasts(released=RELEASED, current=EVENT_TYPES.keys())
"""None yet: every type is in its first version."""
