"""What the packaged proposal would change of a code, told from its rule files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from caremonth.rules_cli import rules_show, spell
from ledger.rule_files import PACKAGED, load_document


def proposed_changes(code: str) -> Iterator[str]:
    """Each proposed value of a code with what holds before it, and who says so."""
    for folder in sorted(path.parent for path in PACKAGED.glob("*/ruleset.yaml")):
        values = rules_show(load_document(folder), code)["values"]
        for before, after in pairwise(values):
            if after["legal_status"] == "proposed" and after["name"] == before["name"]:
                yield f"{after['name']} from {after['from']}: {spell(before['is'])} → {spell(after['is'])} [{', '.join(after['source'])}]"
