"""The tour's rule change: the packaged rules with one value changed, planned over the tour's ledger and told in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any, Final

from sqlalchemy import Engine

from caremonth.plan_figures import figures
from caremonth.plan_text import priced, summary, title
from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from ledger import plans
from ledger.plan_parts import Scope
from ledger.planning import make
from ledger.rule_files import PACKAGED, load_document

DAY: Final = date(2026, 4, 10)
"""The tour's day on which somebody looks at the plan."""
_SHOWN: Final = 3
_CHANGE: Final = {"from": "2026-01-01", "value": 20, "note": "made up for the tour"}


def told(engine: Engine) -> Iterator[str]:
    """The plan of the change in lines and dollars, with its largest changes."""
    shown = figures(plans.parse(make(engine, changed_rules(), Scope(), workers=1)), DAY)
    yield f"{title(shown)}, {shown['evaluated']} patient-months"
    yield from (line.strip() for line in summary(shown))
    yield from (_line(row) for row in shown["largest"][:_SHOWN])


def changed_rules() -> Rulebook:
    """The packaged rules, except that an additional 15 minutes of pain management are 20 from a date on."""
    document: dict[str, Any] = deepcopy(dict(load_document(PACKAGED)))
    versions = document["families"]["cpm"]["track"]["codes"]["G3003"]["minutes"]
    versions.append({**versions[-1], **_CHANGE})
    document["ruleset"]["id"] += "-tour"
    return compile_rulebook(document)


def _line(row: dict[str, Any]) -> str:
    units, amounts = (row["units_from"], row["units_to"]), (row["amount_from"], row["amount_to"])
    change = f"{units[0]} → {units[1]} units, {priced(amounts[0])} → {priced(amounts[1])}"
    return f"{row['patient_id']} {row['month']} {row['code']}: {change}, as {row['effect']}"
