"""The oracle's answer for a set of events: lines and explanations."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle import exclusions, lines, seconds
from tests.oracle.devices import device_lines
from tests.oracle.facts import Event, Patient, Tenant, tenants
from tests.oracle.lines import Line, Month, Side
from tests.oracle.seconds import Row

Sides = dict[tuple[str, str], Side]


@dataclass
class Answer:
    """`lines` as `caremonth lines --json`, `explain` by (tenant, patient, month) as `caremonth explain --json`."""

    lines: list[Line] = field(default_factory=list)
    explain: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)


def decide(events: Iterable[Event], remember: bool = True) -> Answer:
    """Decide every patient-month from valid CloudEvents, in any order; month closes have no effect.

    `line_id`, `revision` and `rule_set` are left out, `excluded_by` is the winning line's (program, practitioner, code, window start
    or None), device lines have no `evidence`, and explanations hold codes for lines and names for what is unmet.
    """
    answer = Answer()
    for tenant in tenants(events).values():
        for name, rows in seconds.rows(tenant, remember).items():
            _decide_patient(answer, tenant, tenant.patients[name], rows)
    answer.lines.sort(key=exclusions.line_order)
    return answer


def _decide_patient(answer: Answer, tenant: Tenant, patient: Patient, rows: list[Row]) -> None:
    for name, sides in sorted(_months(tenant, patient, rows).items()):
        month = Month(tenant, patient, name)
        for side in sides.values():
            lines.add_time_lines(month, side)
        exclusions.exclude(list(sides.values()))
        shown = [side for _, side in sorted(sides.items()) if side.rows or side.lines or side.missing_codes]
        if shown:
            answer.lines += [line for side in shown for line in side.lines]
            answer.explain[tenant.name, patient.name, name] = explained(month, shown)


def _months(tenant: Tenant, patient: Patient, rows: list[Row]) -> dict[str, Sides]:
    """Time rows and device lines by month and side."""
    months: dict[str, Sides] = defaultdict(dict)

    def side(month: str, program: str, practitioner: str) -> Side:
        return months[month].setdefault((program, practitioner), Side(program, practitioner))

    for row in rows:
        side(row.month, row.entry.program, row.entry.practitioner).rows.append(row)
    for found in device_lines(tenant, patient):
        target = side(found.month, found.program, found.practitioner)
        if found.line is None:
            target.missing_codes = True
        else:
            target.add(found.line, found.crossing)
    return months


def explained(month: Month, sides: list[Side]) -> dict[str, Any]:
    """The reason tree of a patient-month."""
    return {
        "tenant": month.tenant.name,
        "patient_id": month.patient.name,
        "month": month.name,
        "programs": [_program(month, side) for side in sides],
    }


def _program(month: Month, side: Side) -> dict[str, Any]:
    unmet = [*side.unmet, *(["code_not_in_force"] if side.missing_codes else [])]
    ordered = sorted(side.rows, key=lambda row: (row.entry.fact.start, row.entry.fact.identity, row.reason or ""))
    return {
        "program": side.program,
        "practitioner_id": side.practitioner,
        "track": month.track(side),
        "counted_seconds": sum(len(row.seconds) for row in side.rows if row.reason is None),
        "counted": [_shown(row) for row in ordered if row.reason is None],
        "excluded": [{**_shown(row), "reason": row.reason} for row in ordered if row.reason is not None],
        "lines": [line["code"] for line in sorted(side.lines, key=exclusions.line_order)],
        "next": lines.upcoming(month, side),
        "unmet": sorted(unmet),
    }


def _shown(row: Row) -> dict[str, Any]:
    return {"event": row.entry.fact.name, "seconds": len(row.seconds)}
