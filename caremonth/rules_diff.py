"""What `caremonth rules diff` says of two rule sets, as data and in words that a biller reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from caremonth.cli_output import Columns
from caremonth.rules_cli import Row, spell
from domain.rule_changes import CODES, Change, Entry, Side, changes
from domain.rulebook import Rulebook

VALUE: Final = "value"
CITATION: Final = "citation only"

_WORDS: Final = {
    "program": "program",
    "title": "title",
    "consent_ends": "when a revocation takes effect",
    "consent_in_visit": "consent during the first visit counts from its start",
    "visit": "visit that has to come first",
    "stays": "facility stays that do not count",
    "one_practitioner": "one practitioner only is paid in a month",
    "default_track": "track where none is named",
    "roles": "who may do the work",
    "personal": "the practitioner's own work only",
    "direct_supervision": "roles that need direct supervision",
    "employment": "employment that counts",
    "label": "short label",
    "rule": "the rule in words",
    "adds_to": "base it adds to",
    "in_force": "in force",
    "minutes": "minutes",
    "at_most": "most units the rule allows",
    "awaits_close": "decided only when the month closes",
    "window_days": "days of a device window",
    "kind": "kind of device",
    "days": "days with a reading",
    "limit": "most units for one date of service",
    "price": "national amount",
    "facility_pos": "facility places of service",
    "conversion_factors": "conversion factor (recorded, not computed with)",
    "id": "id of the rule set",
    "lifecycle": "lifecycle in the files",
    "legal_status": "legal status",
    "last_verified": "last verified on",
    "last_verified_year": "verified to the end of",
    "first_service_day": "first service day",
}
_GROUPS: Final = {
    "tracks": "track {}",
    "requirements": "required: {}",
    "exclusions": "not paid together: {}",
    "notes": "remark {}",
    "sources": "source {}",
}
_SILENT: Final = frozenset({"track", *CODES})


def difference(before: Rulebook, after: Rulebook) -> list[Row]:
    """One row a change, those of families first; `value_from` and `value_to` are null where nothing holds, dates where there are none."""
    cites = [_cites(book.document) for book in (before, after)]
    return [
        {
            "family": change.entry.family,
            "code": change.entry.code,
            "key": key_in_words(change.entry),
            "from_date": change.first_day,
            "to_date": change.last_day,
            "value_from": _value(change, change.before),
            "value_to": _value(change, change.after),
            "citation_from": _citation(change, change.before, cites[0]),
            "citation_to": _citation(change, change.after, cites[1]),
            "change": CITATION if change.citation_only else VALUE,
        }
        for change in changes(before.document, after.document)
    ]


def heading(before: Rulebook, after: Rulebook, rows: Sequence[Row]) -> str:
    """Which rule sets are compared, and how much differs."""
    citations = sum(row["change"] == CITATION for row in rows)
    names = " → ".join(f"{book.id} ({book.digest[:12]})" for book in (before, after))
    return f"{names}: {_count(len(rows) - citations, 'value')}, {_count(citations, 'citation')} without another value"


def key_in_words(entry: Entry) -> str:
    """The way to a value, as people say it: `track staff: required: care_plan`."""
    words: list[str] = []
    steps = iter(step for step in entry.key if step != entry.code)
    for step in steps:
        if step in _GROUPS:
            words.append(_GROUPS[step].format(next(steps, "")))
        elif step == "devices":
            words += [] if entry.code else ["devices"]
        elif step not in _SILENT:
            words.append(_WORDS.get(step, step))
    return ": ".join(words)


def _cites(document: Mapping[str, Any]) -> dict[str, str]:
    return {key: source.get("cite", key) for key, source in document["sources"].items()}


def _value(change: Change, side: Side) -> object:
    return None if change.entry.key[0] == "sources" else side.value


def _citation(change: Change, side: Side, cites: Mapping[str, str]) -> str | None:
    """Who says so, how surely, when that was last looked up, and the note."""
    if change.entry.key[0] == "sources":
        return spell(side.value) if side.value else None
    if not side.evidence:
        return None
    evidence = side.evidence
    sources = ", ".join(cites[key] for key in evidence["source"])
    note = f"; {evidence['note']}" if "note" in evidence else ""
    return f"{sources} ({evidence['confidence']}, {evidence['last_verified']}, {evidence['legal_status']}{note})"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


CHANGES: Final[Columns] = {
    "family": lambda r: r["family"] or "all families",
    "code": lambda r: r["code"],
    "what": lambda r: r["key"],
    "from": lambda r: r["from_date"],
    "to": lambda r: r["to_date"],
    "was": lambda r: spell(r["value_from"]),
    "is": lambda r: spell(r["value_to"]),
    "change": lambda r: r["change"],
    "cited before": lambda r: r["citation_from"],
    "cited now": lambda r: r["citation_to"],
}
