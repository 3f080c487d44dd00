"""What `caremonth rules list`, `rules show` and `rules check` say, as data and as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from caremonth.cli_output import clean
from domain.calendar import utc_text
from domain.rule_changes import value_of
from domain.rulebook import Rulebook
from domain.rulebook_dated import EVIDENCE
from ledger.approvals import APPROVED, IN_FORCE, Approval
from ledger.rule_files import RuleFileError, load_rulebook

_BARE: Final = {"value", "text"}
_WORDS: Final = {"None": "nothing", "True": "yes", "False": "no"}

Row = dict[str, Any]

UNKNOWN: Final[Row] = {"state": None, "said": None, "by": None, "reason": None, "at": None}
"""The state of a rule set that the ledger does not keep."""


class UnknownCodeError(LookupError):
    """A code no family of the rule set has; the text lists those there are."""


def rules_list(*rulebooks: Rulebook) -> list[Row]:
    """One row a rule set: who it is, its codes with their first and last day, and from when on it is unverified."""
    return [
        {
            "rule_set": book.id,
            "digest": book.digest,
            "title": _ruleset(book.document)["title"],
            "lifecycle": _ruleset(book.document)["lifecycle"],
            "legal_status": book.legal_status,
            "last_verified": _ruleset(book.document)["last_verified"],
            "last_verified_year": book.last_verified_year,
            "warning": _warning(book.last_verified_year),
            "codes": [
                {"code": text.code, "program": text.program, "label": text.label, "from": _iso(text.first_day), "to": _iso(text.last_day)}
                for text in sorted(book.texts.values(), key=lambda text: (text.program, text.code))
            ],
        }
        for book in rulebooks
    ]


def rules_show(document: Mapping[str, Any], code: str) -> Row:
    """All that bears on one code: its dated values with their evidence, unit limits, amounts and sources. Raises UnknownCodeError."""
    wanted = code.upper()
    found = {name: (family, scope, part) for family in document["families"].values() for scope, name, part in _codes(family)}
    if wanted not in found:
        raise UnknownCodeError(f"no rule for the code '{code}': the codes of this rule set are {', '.join(sorted(found))}")
    family, scope, part = found[wanted]
    prices = [row for row in document["prices"] if row["code"] == wanted]
    values = [
        *_rows("", part),
        *_rows("", scope),
        *_rows("", {key: value for key, value in family.items() if key != "devices"}),
        *_exclusions(document, family["program"]),
        *_versions("unit limit", document["limits"][wanted]),
        *_versions("price", prices),
    ]
    used = sorted({key for row in values for key in row["source"]})
    return {
        "rule_set": _ruleset(document)["id"],
        "legal_status": _ruleset(document)["legal_status"],
        "code": wanted,
        "program": family["program"],
        "label": part["label"],
        "rule": part["rule"],
        "adds_to": part.get("adds_to"),
        "kind": part.get("kind"),
        "values": values,
        "sources": {key: document["sources"][key] for key in used},
        "warning": _warning(_ruleset(document)["last_verified_year"]),
    }


def rules_check(directory: Path) -> list[str]:
    """The first thing wrong with the rule files of a directory, as `file:line: key: expected …, found …`; empty where nothing is."""
    try:
        load_rulebook(directory)
    except RuleFileError as error:
        return [str(error)]
    return []


def standing(book: Rulebook, said: Approval | None, active: bool) -> Row:
    """The state of a rule set that a ledger keeps, and the last word on it: what was said, by whom, why and when.

    One whose files call it active, but that decides nothing here, is as good as approved.
    """
    own = str(_ruleset(book.document)["lifecycle"])
    state = IN_FORCE if active else said.state if said else APPROVED if own == IN_FORCE else own
    word = {"said": said.state, "by": said.by, "reason": said.reason, "at": utc_text(said.at)} if said else {}
    return UNKNOWN | {"state": state} | word


def list_text(rows: Sequence[Row]) -> RenderableType:
    """The rule sets for people: one table each, its warning beneath."""
    return Group(*(part for row in rows for part in _list_parts(row)))


def show_text(shown: Row) -> RenderableType:
    """One code for people: its rule, a table of dated values, the sources beneath."""
    table = _table("value", "from", "to", "is", "sources", "confidence", "verified", "status")
    for row in shown["values"]:
        evidence = (", ".join(row["source"]), row["confidence"], row["last_verified"], row["legal_status"])
        table.add_row(row["name"], row["from"], row["to"] or "", spell(row["is"]), *evidence)
    heading = f"{shown['code']} · {shown['program']} · {shown['label']} (rule set {shown['rule_set']}, {shown['legal_status']})"
    sources = "\n".join(f"{key}: {source['kind']}: {source['title']}" for key, source in shown["sources"].items())
    return Group(
        Text(heading, style="bold"), Text(shown["rule"]), table, Text(sources, style="dim"), Text(shown["warning"], style="yellow")
    )


def spell(value: object) -> str:
    """A value of a rule file in a few words."""
    if isinstance(value, Mapping):
        named = ((key, spell(part)) for key, part in value.items() if part is not None)
        return ", ".join(text if key in _BARE else f"{key.replace('_', ' ')} {text}" for key, text in named)
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return _WORDS.get(str(value), str(value))


def _list_parts(row: Row) -> Iterator[RenderableType]:
    yield Text(f"{row['rule_set']} · {row['title']}", style="bold")
    yield Text(f"{row['legal_status']}, {row['lifecycle']}, last verified {row['last_verified']}, digest {row['digest'][:12]}")
    if row.get("state"):
        yield Text(clean(f"in this ledger: {row['state']}{_word(row)}"), style="green")
    table = _table("program", "code", "label", "from", "to")
    for code in row["codes"]:
        table.add_row(code["program"], code["code"], code["label"], code["from"], code["to"] or "")
    yield table
    yield Text(row["warning"], style="yellow")


def _word(row: Row) -> str:
    """Who approved or retired it last, and why."""
    return f"; {row['said']} by {row['by']} on {row['at'][:10]}: {row['reason']}" if row["by"] else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in {"code", "from", "to", "verified"})
    return table


def _codes(family: Row) -> Iterator[tuple[Row, str, Row]]:
    """Each code of a family with the track or device part it stands in."""
    tracks = family.get("tracks", {"": family.get("track")})
    devices = family.get("devices", {})
    for scope in (*tracks.values(), devices):
        for group in ("codes", "set_up"):
            yield from ((scope, code, part) for code, part in scope.get(group, {}).items())


def _rows(prefix: str, part: Row) -> Iterator[Row]:
    """The dated values of a part and of its requirements, not those of other codes and tracks in it."""
    for key, value in part.items():
        if key == "requirements":
            yield from _rows("requirement ", value)
        elif isinstance(value, list):
            yield from _versions(prefix + key, value)


def _exclusions(document: Mapping[str, Any], program: str) -> Iterator[Row]:
    for name, versions in _ruleset(document)["exclusions"].items():
        if any(program in version.get("programs", ()) for version in versions):
            yield from _versions(f"exclusion {name}", versions)


def _versions(name: str, versions: Sequence[Row]) -> Iterator[Row]:
    """Each version with the last day it holds, which is the day before the next one."""
    following = [*(version["from"] for version in versions[1:]), None]
    for version, start in zip(versions, following, strict=True):
        last = version.get("to") or (start and (date.fromisoformat(start) - timedelta(days=1)).isoformat())
        evidence: Row = {key: version[key] for key in (*EVIDENCE, "note") if key in version}
        yield {"name": name, "from": version["from"], "to": last, "is": value_of(version), **evidence}


def _ruleset(document: Mapping[str, Any]) -> Row:
    header: Row = document["ruleset"]
    return header


def _warning(year: int) -> str:
    return f"Verified to the end of {year}. Later months are decided by the values still in force, without amounts where no price is known."


def _iso(day: int | None) -> str | None:
    return date.fromordinal(day).isoformat() if day else None
