"""The reason tree of a patient-month as data (docs/contract.md §4): every second in one row, every requirement with its rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from domain.calendar import iso, month_days
from domain.decide import Decision, ProgramDecision
from domain.rulebook import Rulebook
from domain.settlement import PatientMonth, Row
from domain.tally import Counted, Excluded, Tally

NOT_IN_FORCE = "code_not_in_force"


def explanation(one: PatientMonth, decision: Decision, listed: Sequence[Row], rulebook: Rulebook) -> Row:
    """What `caremonth explain --json` prints; `listed` are the patient-month's current lines."""
    programs = [_program(p, listed, rulebook, one.month) for p in decision.programs]
    shown = {(p["program"], p["practitioner_id"]) for p in programs}
    for row in listed:
        key = row["program"], row["practitioner_id"]
        if key not in shown:
            shown.add(key)
            programs.append(_without_time(*key, listed))
    tree: Row = {
        "tenant": one.tenant, "patient_id": one.patient, "month": one.month, "rule_set": rulebook.id,
        "programs": sorted(programs, key=lambda p: (p["program"], p["practitioner_id"])),
    }  # fmt: skip
    warnings = list(_warnings(one.month, rulebook))
    return {**tree, "warnings": warnings} if warnings else tree


def _warnings(month: str, rulebook: Rulebook) -> Iterator[str]:
    if int(month[:4]) > rulebook.last_verified_year:
        yield (
            f"{month} is later than {rulebook.last_verified_year}, the last year these rules were verified for: "
            "decided by the values still in force, without amounts where no price is known"
        )


def _program(one: ProgramDecision, listed: Sequence[Row], rulebook: Rulebook, month: str) -> Row:
    return {
        "program": one.program,
        "practitioner_id": one.practitioner,
        "track": one.track,
        "counted_seconds": one.tally.total,
        "counted": _counted(one.tally.counted),
        "excluded": _excluded(one.tally),
        "lines": _lines(listed, one.program, one.practitioner),
        "next": {"code": one.next.code, "seconds_needed": one.next.seconds} if one.next else None,
        "unmet": [*_unmet(one, rulebook, month)],
    }


def _without_time(program: str, practitioner: str, listed: Sequence[Row]) -> Row:
    return {
        "program": program, "practitioner_id": practitioner, "track": None, "counted_seconds": 0, "counted": [], "excluded": [],
        "lines": _lines(listed, program, practitioner), "next": None, "unmet": [],
    }  # fmt: skip


def _lines(listed: Sequence[Row], program: str, practitioner: str) -> list[Row]:
    return [row for row in listed if row["program"] == program and row["practitioner_id"] == practitioner]


def _counted(pieces: Iterable[Counted]) -> list[Row]:
    seconds: dict[tuple[int, str], int] = {}
    for start, end, entry, _ in pieces:
        key = entry.start, entry.identity
        seconds[key] = seconds.get(key, 0) + end - start
    return [{"event": identity.replace("\t", "|"), "seconds": n} for (_, identity), n in sorted(seconds.items())]


def _excluded(tally: Tally) -> list[Row]:
    seconds: dict[tuple[int, str, str], int] = {}
    for piece in tally.excluded:
        key = _row_key(piece)
        seconds[key] = seconds.get(key, 0) + piece.end - piece.start
    return [{"event": i.replace("\t", "|"), "seconds": n, "reason": reason} for (_, i, reason), n in sorted(seconds.items())]


def _row_key(piece: Excluded) -> tuple[int, str, str]:
    return piece.entry.start, piece.entry.identity, piece.reason


def _unmet(one: ProgramDecision, rulebook: Rulebook, month: str) -> Iterator[Row]:
    day = month_days(month)[0]
    program = rulebook.at(day).programs[one.program]
    if not one.in_force:
        yield _not_in_force(one.program, rulebook, month)
    requirements = {r.name: r for r in program.tracks[one.track].requirements}
    for name in one.unmet:
        yield {"requirement": name, "text": requirements[name].text, "citation": requirements[name].citation}
    yield from _kinds_not_in_force(one, rulebook)


def _kinds_not_in_force(one: ProgramDecision, rulebook: Rulebook) -> Iterator[Row]:
    for code in one.early_codes:
        text = rulebook.texts[code]
        yield {
            "requirement": NOT_IN_FORCE,
            "text": f"{code} is in force from {iso(text.first_day)}" + (f" to {iso(text.last_day)}" if text.last_day else ""),
            "citation": text.citation,
        }


def _not_in_force(program: str, rulebook: Rulebook, month: str) -> Row:
    """The program's codes with the days between which they hold."""
    codes = sorted((t for t in rulebook.texts.values() if t.program == program), key=lambda t: (t.first_day, t.code))
    first = codes[0]
    spans = ", ".join(f"{t.code} from {iso(t.first_day)}" + (f" to {iso(t.last_day)}" if t.last_day else "") for t in codes)
    return {
        "requirement": NOT_IN_FORCE,
        "text": f"no code of {program} for this time is in force in {month}: {spans}",
        "citation": first.citation,
    }
