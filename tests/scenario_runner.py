"""Scenarios a biller can read, run through a ledger (format: tests/scenarios/README.md)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any, Final

import yaml

from ledger import Ledger
from tests.scenario_steps import Event, Tenant, seconds

FOLDER: Final = Path(__file__).parent / "scenarios"
PROGRAM_OF: Final = {
    "CPM": "G3002 G3003",
    "CCM": "99490 99439 99491 99437 99487 99489",
    "PCM": "99424 99425 99426 99427",
    "RPM": "99453 99454 99445 99457 99458 99470",
    "RTM": "98975 98976 98977 98978 98979 98980 98981 98984 98985 98986",
    "BHI": "99484",
}
PROGRAMS: Final = {code: program for program, codes in PROGRAM_OF.items() for code in codes.split()}
PART: Final = 10
STATUSES: Final = frozenset({"ready", "held", "awaiting_close", "excluded", "closed"})
Row = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One story with what is to come of it: `expect` by patient-month, adjustments and alerts where they are named."""

    file: str
    name: str
    what: str
    given: Sequence[str | dict[str, str]]
    expect: Mapping[str, Any]
    adjustments: Sequence[str] | None
    alerts: Sequence[str] | None

    @property
    def tenant(self) -> str:
        """The scenario's own tenant, so that all can share a ledger."""
        return f"{self.file[:7]}-{self.name}".replace(".", "-")[:63].rstrip("-")

    @property
    def closes(self) -> bool:
        """Whether a month is closed in it: what was known at that moment is then part of the story."""
        sentences = (sentence for step in self.given for sentence in ([step] if isinstance(step, str) else step.values()))
        return any(sentence.startswith("close ") for sentence in sentences)

    def told(self) -> list[list[Event]]:
        """The events in the order told, each by itself; the groundwork and a run of readings in one go."""
        return [list(part) for _, part in groupby(Tenant(self.tenant).tell(list(self.given)), _part_of)]

    def stirred(self) -> list[list[Event]]:
        """The events in another order, one of them twice, a few at a time."""
        dice, events = Random(self.tenant), Tenant(self.tenant).tell(list(self.given))
        events.append(dice.choice(events))
        dice.shuffle(events)
        return [events[first : first + PART] for first in range(0, len(events), PART)]


def _part_of(event: Event) -> str:
    if event["time"] < "2022":
        return "groundwork"
    return "readings" if event["type"] == "care.device.reading.v1" else str(event["id"])


def read_scenarios(folder: Path = FOLDER) -> Iterator[Scenario]:
    """All scenarios of a folder; a table is one scenario a row."""
    for path in sorted(folder.glob("*.yaml")):
        page = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 (every scalar a text)
        for name, story in page["scenarios"].items():
            unknown = set(story) - {"what", "given", "expect", "table", "adjustments", "alerts"}
            if unknown:
                raise ValueError(f"{path.name}, {name}: no such part {', '.join(sorted(unknown))}")
            yield from _rows(path.name, name, story)


def _rows(file: str, name: str, story: Row) -> Iterator[Scenario]:
    told = (story["what"], story["given"], story.get("expect", {}), story.get("adjustments"), story.get("alerts"))
    if "table" not in story:
        yield Scenario(file, name, *told)
        return
    month, variable = story["table"]["month"], story["table"]["of"]
    for value, lines in story["table"]["rows"].items():
        given = json.loads(json.dumps(story["given"]).replace(f"{{{variable}}}", value))
        wanted = [] if lines == "nothing" else lines.split(", ")
        yield Scenario(file, f"{name}-{value.replace(':', '-')}", told[0], given, {month: {"lines": wanted}}, None, None)


def ingest(ledger: Ledger, parts: Iterable[Sequence[Event]]) -> None:
    """Take events in, a part at a time, and find none refused."""
    for part in parts:
        summary = ledger.ingest((f"scenario:{event['id']}", json.dumps(event).encode()) for event in part)
        if summary.dead_letters:
            refused = [letter["message"] for letter in ledger.dead_letters() if letter["tenant"] == part[0]["tenant"]]
            raise ValueError(f"steps that are no valid events: {refused}")


def outcome(ledger: Ledger, scenario: Scenario) -> Row:
    """All that the ledger says of the scenario's months, without what is historical by nature."""
    months: Row = {}
    for key in scenario.expect:
        month, patient = patient_month(key)
        months[key] = ledger.explain(scenario.tenant, patient, month)
    found = {"lines": ledger.lines(scenario.tenant), "months": months}
    return json.loads(json.dumps(found), object_hook=lambda row: {k: v for k, v in row.items() if k != "revision"})  # type: ignore[no-any-return]


def patient_month(key: str) -> tuple[str, str]:
    """Month and patient of `2026-03` or `2026-03 of P2`."""
    month, _, patient = key.partition(" of ")
    return month, patient or "P1"


def problems(ledger: Ledger, scenario: Scenario) -> list[str]:
    """Where the ledger says something else than the scenario."""
    found: list[str] = []
    for key, wanted in scenario.expect.items():
        month, patient = patient_month(key)
        tree = ledger.explain(scenario.tenant, patient, month)
        lines = ledger.lines(scenario.tenant, month, patient)
        found += [f"{key}: {problem}" for problem in _month_problems(tree, lines, wanted)]
    if scenario.adjustments is not None:
        found += _listed_problems("adjustments", scenario.adjustments, [_adjustment(a) for a in _of(scenario, ledger.adjustments())])
    if scenario.alerts is not None:
        found += _alert_problems(scenario.alerts, [_alert(a) for a in _of(scenario, ledger.alerts())])
    return found


def _of(scenario: Scenario, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["tenant"] == scenario.tenant]


def _listed_problems(what: str, wanted: Sequence[str], found: list[str]) -> Iterator[str]:
    if sorted(wanted) != sorted(found):
        yield f"{what} are {found}, not {list(wanted)}"


def _alert_problems(wanted: Sequence[str], found: list[str]) -> Iterator[str]:
    """Only alerts of the kinds that are named are compared; `no time_conflict` names one of which there is none."""
    kinds = {alert.removeprefix("no ").partition(" ")[0] for alert in wanted}
    some = [alert for alert in found if alert.partition(" ")[0] in kinds]
    yield from _listed_problems("alerts", [alert for alert in wanted if not alert.startswith("no ")], some)


def _adjustment(row: Row) -> str:
    moved = f", to {row['date_of_service_to']}" if "date_of_service_to" in row else ""
    patient = "" if row["patient_id"] == "P1" else f" of {row['patient_id']}"
    what = f"{row['month']}{patient} {row['code']} {row['units_delta']:+d}, for {row['practitioner_id']}, at {row['site_id']}"
    amount = "no price" if row["amount_delta"] is None else f"${row['amount_delta']}"
    return f"{what}, {amount}, {row['kind']}{moved}"


def _alert(row: Row) -> str:
    if "patient_id" not in row:
        return str(row["kind"])
    return f"{row['kind']} {row['month']} of {row['patient_id']} {row.get('code', row.get('performer_id', ''))}"


def _month_problems(tree: Row, lines: Sequence[Row], wanted: Any) -> Iterator[str]:
    wanted = {"lines": []} if wanted == "nothing" else dict(wanted)
    if "lines" in wanted:
        yield from _line_problems(lines, wanted.pop("lines"))
    if "warning" in wanted:
        words = " ".join(tree.get("warnings", []))
        if wanted.pop("warning") not in words:
            yield f"the warnings are {words!r}"
    programs = {f"{p['program']} of {p['practitioner_id']}": p for p in tree["programs"]}
    for name, parts in wanted.items():
        if name not in programs:
            yield f"no {name} in {sorted(programs)}"
        else:
            yield from _program_problems(name, programs[name], parts)


def _program_problems(name: str, program: Row, parts: Mapping[str, Any]) -> Iterator[str]:
    excluded: dict[str, int] = {}
    for row in program["excluded"]:
        excluded[row["reason"]] = excluded.get(row["reason"], 0) + row["seconds"]
    ahead = program["next"]
    said = {
        "counted": clock(program["counted_seconds"]),
        "excluded": {reason: clock(length) for reason, length in excluded.items()} or "nothing",
        "next": f"{ahead['code']} in {clock(ahead['seconds_needed'])}" if ahead else "nothing",
        "unmet": ", ".join(u["requirement"] for u in program["unmet"]) or "nothing",
        "track": program["track"],
    }
    for part, wanted in parts.items():
        if said[part] != wanted:
            yield f"{name}: {part} is {said[part]}, not {wanted}"


def clock(length: int) -> str:
    """Seconds as minutes and seconds."""
    return f"{length // 60}:{length % 60:02}"


def _line_problems(lines: Sequence[Row], wanted: Sequence[str]) -> Iterator[str]:
    """Exactly these lines; of each, what is named is compared, and excess, unmet and exclusion also where they are not."""
    left = list(lines)
    named = {line["line_id"]: f"{line['program']} of {line['practitioner_id']}" for line in lines}
    for text in wanted:
        match = next((line for line in left if not list(_differences(line, text, named))), None)
        if match is not None:
            left.remove(match)
            continue
        near = next((line for line in left if line["code"] == text.split(",")[0].split()[0]), None)
        yield f"no line {text!r}" + (f": {'; '.join(_differences(near, text, named))}" if near else "")
    yield from (f"a line too many: {line['code']} x{line['units']} {line['status']}, {named[line['line_id']]}" for line in left)


def _differences(line: Row, text: str, named: Mapping[str, str]) -> Iterator[str]:
    wanted = line_of(text)
    excluded_by = line.get("excluded_by")
    said = {**line, "excluded_by": excluded_by and named.get(excluded_by, excluded_by), "unmet": " ".join(line["unmet"])}
    for part, value in wanted.items():
        if said.get(part) != value:
            yield f"{part} is {said.get(part)}, not {value}"


def line_of(text: str) -> Row:
    """`G3003 x4 +1 excess, for dr-lee, ready, on 2026-03-02, $126.92` as the fields of a line."""
    head, *parts = text.split(", ")
    match = re.fullmatch(r"(\w+)(?: x(\d+))?(?: \+(\d+) excess)?(?: (held|awaiting_close))?", head)
    if match is None or match[1] not in PROGRAMS:
        raise ValueError(f"no line begins like {head!r}; tests/scenarios/README.md says how lines are written")
    line: Row = {"code": match[1], "program": PROGRAMS[match[1]], "units": int(match[2] or 1), "excess_units": int(match[3] or 0)}
    line |= {"status": match[4]} if match[4] else {}
    line |= {"excluded_by": None} if match[4] == "held" else {"excluded_by": None, "unmet": ""}
    for part in parts:
        line |= _part(part)
    return line


def _part(part: str) -> Row:
    if part in STATUSES:
        return {"status": part}
    if part.startswith("$"):
        return {"amount": part[1:]}
    if part == "no price":
        return {"amount": None}
    word, _, rest = part.partition(" ")
    if word == "window":
        first, _, last = rest.partition(" to ")
        return {"window_start": first, "window_end": last}
    names = {"for": "practitioner_id", "on": "date_of_service", "at": "site_id", "unmet": "unmet", "counted": "seconds", "days": "days"}
    if part.startswith("excluded by "):
        return {"status": "excluded", "excluded_by": part.removeprefix("excluded by ")}
    if word not in names:
        raise ValueError(f"no part of a line is written {part!r}; tests/scenarios/README.md says how lines are written")
    return {names[word]: seconds(rest) if word == "counted" else int(rest) if word == "days" else rest}
