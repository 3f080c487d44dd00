"""How far a patient-month has come: what the month board shows of each program, without evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from domain.calendar import utc_text
from domain.decide import Decision, ProgramDecision
from domain.lines import Line
from domain.settlement import PatientMonth, Row, Stored

PROGRESS: Final = "care.month.progressed.v1"
_SHOWN: Final = (
    "line_id", "code", "units", "excess_units", "status", "unmet", "date_of_service", "site_id", "seconds", "unit_amount", "amount",
    "excluded_by",
)  # fmt: skip


def progress(month: PatientMonth, decision: Decision, standing: Iterable[Stored]) -> Row:
    """The data of a progress event: per program the seconds counted and excluded, the next code, what is missing, the listed lines."""
    listed: dict[tuple[str, str], list[Row]] = {}
    for stored in sorted(standing, key=lambda s: (s.key[2], s.key[3] or 0)):
        listed.setdefault(stored.key[:2], []).append({name: stored.row[name] for name in _SHOWN if name in stored.row})
    programs = [_program(p, listed.pop((p.program, p.practitioner), [])) for p in decision.programs]
    programs += [_orphan(*key, rows) for key, rows in sorted(listed.items())]
    return {"tenant": month.tenant, "patient_id": month.patient, "month": month.month, "programs": programs}


def _program(program: ProgramDecision, lines: list[Row]) -> Row:
    excluded, until = dict[str, int](), dict[str, int]()
    for row in program.tally.excluded:
        excluded[row.reason] = excluded.get(row.reason, 0) + row.end - row.start
        until[row.reason] = max(until.get(row.reason, 0), row.end)
    counted = program.tally.counted
    site, zone = _place(program)
    return {
        "program": program.program,
        "practitioner_id": program.practitioner,
        "track": program.track,
        "site_id": site,
        "zone": zone,
        "counted_seconds": program.tally.total,
        "counted_until": utc_text(counted[-1][1]) if counted else None,
        "excluded_seconds": excluded,
        "excluded_until": {reason: utc_text(end) for reason, end in until.items()},
        "next": {"code": program.next.code, "seconds_needed": program.next.seconds} if program.next else None,
        "unmet": list(program.unmet),
        "lines": lines,
    }


def _orphan(program: str, practitioner: str, lines: list[Row]) -> Row:
    """A program of which only closed lines are left."""
    return {
        "program": program, "practitioner_id": practitioner, "track": None, "site_id": lines[0]["site_id"], "zone": None,
        "counted_seconds": 0, "counted_until": None, "excluded_seconds": {}, "excluded_until": {},
        "next": None, "unmet": [], "lines": lines,
    }  # fmt: skip


def _place(program: ProgramDecision) -> tuple[Any, Any]:
    """The site that stands for the program on a board: of its line, else of its last counted time, else of any time.

    There is none where all there is of a program is a device whose code is not in force yet.
    """
    tally = program.tally
    if tally.counted:
        _, _, last, zone = tally.counted[-1]
        return _line_site(program.lines) or last.site, zone.name
    if program.lines:
        return program.lines[0].site, None
    return (tally.excluded[-1].entry.site if tally.excluded else None), None


def _line_site(lines: tuple[Line, ...]) -> str | None:
    return lines[0].site if lines else None
