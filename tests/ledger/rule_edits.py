"""Any change to a rule set: a value that is another one, throughout or from some day on; told by choices (`tests.generators`)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import orjson

from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_reader import RuleError
from tests.generators import MONTHS, Chooser
from tests.ledger.other_rules import Document, document

Version = dict[str, Any]
Versions = tuple[str, list[Version]]
"""The name of a dated value and its versions, in order."""
ROLES = ["ma", "rn", "np", "physician", "pt", "chw", "clinical_psychologist"]
STAYS = ["inpatient", "snf", "observation", "hospice"]
DAYS = [f"{month}-{day}" for month in MONTHS for day in ("01", "11")]
CODES = ["G3003", "99490", "99439", "99426", "99457", "99470", "99454", "98980", "98977", "99453", "99484"]
A_VISIT = {
    "kinds": ["em"], "modalities": None, "settings": None, "least_minutes": 0, "within_months": None, "counts_from": "start",
    "is_time": True,
}  # fmt: skip


def edited(choose: Chooser, most: int = 3) -> Rulebook:
    """The packaged rules with up to so many changes, those that can be followed; none where no choice can."""
    stages = [document()]
    for _ in range(choose.integer(1, most)):
        stages.append(orjson.loads(orjson.dumps(stages[-1])))
        _change(stages[-1], choose)
    for rules in reversed(stages):
        with suppress(RuleError):
            return compile_rulebook(rules)
    raise AssertionError("the packaged rules cannot be followed")


def _change(rules: Document, choose: Chooser) -> None:
    family = choose.pick(sorted(rules["families"]))
    kind = choose.integer(1, 12)
    if kind == 1:
        _of_prices(rules, choose)
    elif kind == 2:
        _of_exclusions(rules["ruleset"]["exclusions"], choose)
    elif kind == 3:
        _dated(("value", choose.pick([rules["ruleset"]["facility_pos"], *(rules["limits"][code] for code in CODES)])), choose)
    elif kind == 4:
        _without_requirement(rules["families"][family], choose)
    else:
        _dated(choose.pick(list(_versions(rules["families"][family]))), choose)


def _versions(node: Any, name: str = "") -> Iterator[Versions]:
    """Every dated value under a node, but not requirements."""
    if isinstance(node, list):
        yield name, node
    elif isinstance(node, dict):
        for key, part in node.items():
            if key != "requirements":
                yield from _versions(part, key)


def _dated(versions: Versions, choose: Chooser) -> None:
    """Another value in place of one version, or from a day within it on."""
    name, listed = versions
    at = choose.integer(0, len(listed) - 1)
    was = listed[at]
    now = deepcopy(was)
    _VALUES.get(name, _of_value)(now, choose)
    day = choose.pick(["", *DAYS])
    if not was["from"] < day < was.get("to", "9999"):
        listed[at] = now
        return
    was.pop("to", None)
    listed[at + 1 : at + 1] = [{**now, "from": day}]


def _of_value(version: Version, choose: Chooser) -> None:
    value = version.get("value")
    if isinstance(value, bool):
        version["value"] = not value
    elif isinstance(value, int):
        version["value"] = choose.pick([15, 20, 30, 10, 1, 2, 3, 5, 40, 60])
    elif isinstance(value, str):
        version["value"] = "instant" if value == "month_end" else "month_end"
    elif isinstance(value, list):
        _toggle(value, choose.pick(["11", "22"] if value and value[0].isdigit() else ROLES))


def _of_stays(version: Version, choose: Chooser) -> None:
    _toggle(version["value"], choose.pick(STAYS))


def _of_visit(version: Version, choose: Chooser) -> None:
    if "absent" in version:
        del version["absent"]
        version.update(A_VISIT, kinds=[choose.pick(["em", "cpm_initial"])])
        return
    changes: list[Version] = [
        {"least_minutes": 20}, {"within_months": 3}, {"within_months": None}, {"counts_from": "start"}, {"kinds": ["em"]},
        {"is_time": not version["is_time"]}, {"modalities": ["in_person", "video"]}, {"settings": ["clinical"]},
    ]  # fmt: skip
    version.update(choose.pick(changes))


def _of_in_force(version: Version, choose: Chooser) -> None:
    version[choose.pick(["from", "to"])] = choose.pick(DAYS)


def _of_days(version: Version, choose: Chooser) -> None:
    version["least"] = choose.pick([1, 2, 3, 10, 15, 16, 17])
    if "most" in version:
        version["most"] = choose.pick([15, 20, 30])


def _of_employment(version: Version, choose: Chooser) -> None:
    version.pop("absent", None)
    version.update(value=[choose.pick(["employee", "contractor"])], exempt_roles=["physician"])


_VALUES: dict[str, Callable[[Version, Chooser], None]] = {
    "stays": _of_stays, "visit": _of_visit, "in_force": _of_in_force, "days": _of_days, "employment": _of_employment,
}  # fmt: skip


def _of_prices(rules: Document, choose: Chooser) -> None:
    rows = [row for row in rules["prices"] if row["code"] == choose.pick(CODES)]
    if not rows:
        return
    row = choose.pick(rows)
    change = choose.pick([{"nonfacility": "77.07"}, {"facility": None}, {"nonfacility": None, "facility": None}, {"to": "2026-02-10"}, {}])
    if change:
        row.update(change)
    else:
        rules["prices"].remove(row)


def _of_exclusions(exclusions: Document, choose: Chooser) -> None:
    if choose.integer(1, 2) == 1:
        del exclusions[choose.pick(sorted(exclusions))]
        return
    one = deepcopy(next(iter(exclusions.values())))
    one[0]["programs"] = choose.pick([["CPM", "CCM"], ["BHI", "CCM"], ["RPM", "CCM"], ["RTM", "CPM"]])
    one[0]["of"] = choose.pick(["patient", "practitioner"])
    one[0]["from"] = choose.pick(["2022-01-01", *DAYS])
    exclusions["new"] = one


def _without_requirement(family: Document, choose: Chooser) -> None:
    tracks = list(family["tracks"].values()) if "tracks" in family else [family["track"]]
    requirements = choose.pick(tracks)["requirements"]
    if requirements:
        del requirements[choose.pick(sorted(requirements))]


def _toggle(values: list[str], one: str) -> None:
    if one in values:
        values.remove(one)
    else:
        values.append(one)
