"""The product beside the oracle: where they say something else of one history.

Told apart on purpose: the oracle gives no ids, revisions and rule sets, and no evidence of device lines. Of the line that
excludes another the side is compared: which of a side's payable lines stands for it is not in the contract.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from tests import oracle

Row = dict[str, Any]
LEFT_OUT = frozenset({"line_id", "revision", "rule_set", "base"})
PAYABLE = ("ready", "awaiting_close")


class Answered(Protocol):
    """Lines and explanations, whoever gave them."""

    @property
    def lines(self) -> list[Row]: ...

    @property
    def trees(self) -> dict[tuple[str, str, str], Row]: ...


def disagreements(history: Iterable[Row], answered: Answered) -> list[str]:
    """What the product says of a history and the oracle does not, and the other way round."""
    answer = oracle.decide(history)
    ours, theirs = _texts(_our_line(line, answered.lines) for line in answered.lines), _texts(map(_their_line, answer.lines))
    found = [f"line only of the product: {line}" for line in sorted(ours - theirs)]
    found += [f"line only of the oracle: {line}" for line in sorted(theirs - ours)]
    for key in sorted(answered.trees.keys() | answer.explain.keys()):
        one = {_side(p): _our_program(p) for p in answered.trees.get(key, {}).get("programs", ())}
        other = {_side(p): p for p in answer.explain.get(key, {}).get("programs", ())}
        found += [f"{'/'.join((*key, *side))}: {text}" for side, text in _program_differences(one, other)]
    return found


def _texts(lines: Iterable[Row]) -> set[str]:
    return {json.dumps(line, sort_keys=True) for line in lines}


def _our_line(line: Row, lines: list[Row]) -> Row:
    found = {name: value for name, value in line.items() if name not in LEFT_OUT}
    if line["seconds"] is None:
        del found["evidence"]
    if "excluded_by" in line:
        winner = next(one for one in lines if one["line_id"] == line["excluded_by"])
        found["excluded_by"] = [
            winner["program"],
            winner["practitioner_id"],
            "payable" if winner["status"] in PAYABLE else winner["status"],
        ]
    return found


def _their_line(line: Row) -> Row:
    found = {name: value for name, value in line.items() if name not in LEFT_OUT and not (name == "evidence" and line["seconds"] is None)}
    return found | {"excluded_by": [*line["excluded_by"][:2], "payable"]} if "excluded_by" in line else found


def _side(program: Row) -> tuple[str, str]:
    return program["program"], program["practitioner_id"]


def _our_program(program: Row) -> Row:
    missing = sorted({unmet["requirement"] for unmet in program["unmet"]})
    return {**program, "lines": [line["code"] for line in program["lines"]], "unmet": missing}


def _program_differences(one: dict[tuple[str, str], Row], other: dict[tuple[str, str], Row]) -> Iterator[tuple[tuple[str, str], str]]:
    for side in sorted(one.keys() | other.keys()):
        if side not in one or side not in other:
            yield side, f"only the {'product' if side in one else 'oracle'} has it"
            continue
        for name, value in other[side].items():
            if one[side][name] != value:
                yield side, f"{name} is {one[side][name]}, the oracle says {value}"
