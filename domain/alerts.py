"""Alerts on a patient-month, each raised once (docs/contract.md §2).

What was raised is remembered in the month's state, so that a threshold crossed, uncrossed and crossed again alerts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from domain.calendar import UTC, Zone, iso, utc_text
from domain.decide import Decision, ProgramDecision
from domain.facts import Conflict, History, Registry
from domain.lines import EXCLUDED, HELD, Line
from domain.settlement import ADJUSTMENT, Out, PatientMonth, Row, Scope
from domain.standing import site_zone

ALERT: Final = "care.alert.raised.v1"
NEAR_SECONDS: Final = 300
State = dict[str, Any]


def conflicts_in(month: str, history: History, registry: Registry) -> list[Conflict]:
    """Those conflicts of the patient that begin in the local month, by the site of the entry or visit concerned."""
    if not history.conflicts:
        return []
    sites = {entry.identity: entry.site for entry in history.entries} | {visit.identity: visit.site for visit in history.visits}
    return [c for c in history.conflicts if c.identity in sites and _local(sites[c.identity], c.start, registry).month(c.start) == month]


def _local(site: str, instant: int, registry: Registry) -> Zone:
    return site_zone(registry, site, instant) or UTC


def alerts(month: PatientMonth, decision: Decision, scope: Scope, conflicts: list[Conflict], state: State) -> Iterator[Out]:
    """Alerts that this decision brings; `conflicts` are those of the month, `state` is told what was raised."""
    for program in decision.programs:
        for line in program.lines:
            if line.status != EXCLUDED and not scope.covers(line.site) and _first(state, "reached", *_about(line)):
                yield _reached(month, line)
        near = _near(month, program, scope, state)
        if near is not None:
            yield near
    for conflict in conflicts:
        if _first(state, "conflicts", conflict.identity):
            yield _conflict(month, conflict)


def adjustment_alerts(out: list[Out]) -> Iterator[Out]:
    """One alert for each proposed adjustment."""
    for one in out:
        if one.type == ADJUSTMENT:
            names = ("tenant", "patient_id", "month", "program", "practitioner_id", "site_id", "code", "line_id")
            about = {name: one.data[name] for name in names}
            yield _alert(
                "adjustment_proposed",
                one.ordinal,
                about | {"units_delta": one.data["units_delta"], "amount_delta": one.data["amount_delta"]},
            )


def immune_close(tenant: str, month: str, identity: str, by: str) -> Out:
    """A close that something tried to replace or retract: it stands."""
    about = {"tenant": tenant, "month": month, "event": identity.replace("\t", "|"), "by": by.replace("\t", "|")}
    return _alert("close_stands", f"{tenant}/{identity}/{by}", about)


def _about(line: Line) -> list[str]:
    return [line.program, line.practitioner, line.code, "" if line.window_start is None else iso(line.window_start)]


def _first(state: State, kind: str, *about: str) -> bool:
    """Whether this was not raised before; remembers that it now is."""
    raised, key = state.setdefault(kind, []), "/".join(about)
    if key in raised:
        return False
    raised.append(key)
    raised.sort()
    return True


def _reached(month: PatientMonth, line: Line) -> Out:
    about = {
        "tenant": month.tenant, "patient_id": month.patient, "month": month.month, "program": line.program,
        "practitioner_id": line.practitioner, "site_id": line.site, "code": line.code, "status": line.status,
        "unmet": list(line.unmet), "units": line.units, "date_of_service": iso(line.day),
    }  # fmt: skip
    return _alert("threshold_reached", "/".join([month.key, *_about(line)]), about)


def _near(month: PatientMonth, program: ProgramDecision, scope: Scope, state: State) -> Out | None:
    """Close to a code that has no unit yet; not where the side is held or excluded, nor after the close."""
    ahead = program.next
    if ahead is None or ahead.seconds > NEAR_SECONDS or not program.tally.counted:
        return None
    site = program.tally.counted[-1][2].site
    settled = any(line.status in (HELD, EXCLUDED) for line in program.lines)
    if settled or scope.covers(site) or any(line.code == ahead.code for line in program.lines):
        return None
    if not _first(state, "near", program.program, program.practitioner, ahead.code):
        return None
    about = {
        "tenant": month.tenant, "patient_id": month.patient, "month": month.month, "program": program.program,
        "practitioner_id": program.practitioner, "site_id": site, "code": ahead.code, "seconds_needed": ahead.seconds,
        "unmet": list(program.unmet),
    }  # fmt: skip
    return _alert("threshold_near", f"{month.key}/{program.program}/{program.practitioner}/{ahead.code}", about)


def _conflict(month: PatientMonth, conflict: Conflict) -> Out:
    about = {
        "tenant": month.tenant, "patient_id": month.patient, "month": month.month, "performer_id": conflict.performer,
        "event": conflict.identity.replace("\t", "|"), "start": utc_text(conflict.start), "end": utc_text(conflict.end),
    }  # fmt: skip
    return _alert("time_conflict", f"{month.key}/{conflict.identity}", about)


def _alert(kind: str, about: str, data: Row) -> Out:
    return Out(ALERT, f"{kind}/{about}", {"kind": kind, **data})
