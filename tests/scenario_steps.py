"""The steps a scenario is told in, as CloudEvents (the vocabulary of tests/scenarios/README.md).

A step is a sentence, then options after commas: `time 2026-03-02 10:00 for 20:00 by rn-kim for dr-lee in CCM, at south`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

Event = dict[str, Any]
Words = Mapping[str, str]

SITES: Final = {
    "north": ("America/New_York", "11"),
    "south": ("America/Chicago", "11"),
    "west": ("America/Los_Angeles", "11"),
    "hospital": ("America/New_York", "22"),
}
PEOPLE: Final = {
    "dr-lee": "physician",
    "dr-roy": "np",
    "dr-sol": "physician",
    "rn-kim": "rn",
    "rn-pat": "rn",
    "ma-joy": "ma",
    "pt-max": "pt",
    "psy-ann": "clinical_psychologist",
    "chw-lou": "chw",
}
CONDITIONS: Final[Mapping[str, list[tuple[str, str, dict[str, str]]]]] = {
    "CPM": [("M54.50", "chronic_pain", {"onset": "2021-01-01"})],
    "CCM": [("I10", "chronic", {}), ("E11.9", "chronic", {})],
    "PCM": [("C50.911", "high_risk", {})],
    "BHI": [("F32.9", "behavioral", {})],
}
VISITS: Final = {"CPM": "cpm_initial", "CCM": "em", "PCM": "em", "BHI": "em"}
PLANS: Final = frozenset({"CCM", "PCM"})

WHEN: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?: again)?"
DAY: Final = r"\d{4}-\d\d-\d\d"
NAME: Final = r"[\w.-]+"
FOR: Final = rf"for (?P<program>[A-Z]+) with (?P<doctor>{NAME})"
IN: Final = rf"in (?P<program>[A-Z]+) with (?P<doctor>{NAME})"
LONG: Final = rf"(?P<start>{WHEN}) (?:for (?P<length>\d+:\d\d)|until (?P<end>{WHEN}))"


def seconds(text: str) -> int:
    """Minutes and seconds, `20:00`, as seconds."""
    minutes, _, rest = text.partition(":")
    return int(minutes) * 60 + int(rest)


class Tenant:
    """One scenario's tenant: its steps become events, in the order in which they are told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        self.labels: dict[str, Event] = {}
        self.zones = {site: zone for site, (zone, _) in SITES.items()}
        self.options: dict[str, str] = {}
        self.groundworks = 0

    def tell(self, steps: Sequence[str | dict[str, str]]) -> list[Event]:
        """All events: first the registrations of those of the cast whom a step names, then the steps'."""
        for step in steps:
            if isinstance(step, str):
                self.step(step)
            else:
                for label, sentence in step.items():
                    self.step(sentence)
                    self.labels[label] = self.events[-1]
        return [*self.cast(), *self.events]

    def step(self, sentence: str) -> None:
        """Append what one sentence says; a sentence that is not in the vocabulary is an error."""
        head, *options = sentence.split(", ")
        self.options = dict(_option(text) for text in options)
        for pattern, method in STEPS.items():
            match = re.fullmatch(pattern, head)
            if match:
                method(self, {key: value for key, value in match.groupdict().items() if value is not None})
                break
        else:
            raise ValueError(f"no such step: {head!r}; tests/scenarios/README.md lists the steps")
        if self.options:
            raise ValueError(f"{head!r} has no option {', '.join(self.options)}; tests/scenarios/README.md lists the options")

    def cast(self) -> list[Event]:
        """Registrations of the cast's sites and people that are named and that no step registers."""
        told = {event["subject"] for event in self.events if event["type"].endswith(".registered.v1")}
        named = {value for event in self.events for key, value in event["data"].items() if key.endswith("_id")} - told
        mine = Tenant(self.name)
        for site in sorted(named & SITES.keys()):
            mine.add("site.registered", site, {}, name=site.title(), zone=SITES[site][0], pos=SITES[site][1])
        for person in sorted(named & PEOPLE.keys()):
            mine.add("practitioner.registered", person, {}, role=PEOPLE[person])
        return [{**event, "id": f"cast-{event['subject']}"} for event in mine.events]

    def add(self, kind: str, subject: str, moments: Mapping[str, int], /, **data: Any) -> None:
        """Append an event, recorded a minute after the last of its moments if the step does not say when."""
        time = max(moments.values(), default=0) + 60
        if "recorded" in self.options:
            time = self.instant(self.options.pop("recorded"))
        elif not moments:
            time = int(datetime(2021, 11, 1, tzinfo=UTC).timestamp())
        event: Event = {"specversion": "1.0", "id": f"e{len(self.events):03}", "source": "/scenario", "type": f"care.{kind}.v1"}
        texts = {key: stamp(moment) for key, moment in moments.items()}
        event |= {"tenant": self.name, "subject": subject, "time": stamp(time), "data": {**data, **texts}}
        if "instead of" in self.options:
            event["replaces"] = self.labels[self.options.pop("instead of")]["id"]
        self.options.pop("at", None)  # a fact without a site is only told by the clocks of one
        self.events.append(event)

    def instant(self, text: str, site: str = "north") -> int:
        """The second at which a site's clocks show a time; `again` is the second time that they do."""
        shown, again = text.removesuffix(" again"), text.endswith(" again")
        return int(datetime.fromisoformat(shown).replace(tzinfo=ZoneInfo(self.zones[site]), fold=int(again)).timestamp())

    def at(self, words: Words) -> int:
        return self.instant(words["at"], self.site())

    def span(self, words: Words) -> dict[str, int]:
        start = self.instant(words["start"], self.site())
        return {"start": start, "end": start + seconds(words["length"]) if "length" in words else self.instant(words["end"], self.site())}

    def site(self) -> str:
        """The site whose clocks the step is told by; one nobody knows is told by north's."""
        named = self.options.get("at", "north")
        return named if named in self.zones else "north"

    def take(self, option: str, otherwise: str) -> str:
        return self.options.pop(option, otherwise)

    def flag(self, option: str) -> bool:
        return self.options.pop(option, None) is not None

    def patient(self) -> str:
        return self.take("patient", "P1")


def _option(text: str) -> tuple[str, str]:
    """An option's name and value: all but the last word, and the last; a single word is a flag."""
    for name in ("at", "patient", "recorded", "instead of", "from", "since", "expected", "pos", "track", "source", "without"):
        if text.startswith(f"{name} "):
            return name, text.removeprefix(f"{name} ")
    return text, ""


def stamp(second: int) -> str:
    """An instant as RFC 3339 in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _site(one: Tenant, words: Words) -> None:
    one.zones[words["name"]] = words["zone"]
    since = {"valid_from": one.take("from", "")} if "from" in one.options else {}
    one.add("site.registered", words["name"], {}, name=words["name"], zone=words["zone"], pos=one.take("pos", "11"), **since)


def _person(one: Tenant, words: Words) -> None:
    since = {"valid_from": one.take("from", "")} if "from" in one.options else {}
    one.add("practitioner.registered", words["name"], {}, role=words["role"], **since)


def _who(words: Words) -> dict[str, str]:
    return {"program": words["program"], "practitioner_id": words["doctor"]}


def _ready(one: Tenant, words: Words) -> None:
    """The groundwork in December 2021: consent, visit, conditions, plan, as far as the program asks for them."""
    program, patient, left_out = words["program"], one.patient(), one.take("without", "").split(" and ")
    hour = one.instant("2021-12-01 09:00") + 3600 * one.groundworks
    one.groundworks += 1
    if "consent" not in left_out:
        one.add("consent.given", patient, {"at": hour}, **_who(words), form="verbal")
    if program in VISITS and "visit" not in left_out:
        kind = {"kind": VISITS[program], "modality": "in_person", "setting": "clinical", "em_billed": True}
        one.add("visit.completed", patient, {"start": hour, "end": hour + 1800}, practitioner_id=words["doctor"], site_id="north", **kind)
    for icd10, category, more in CONDITIONS.get(program, []) if "condition" not in left_out else []:
        one.add("condition.recorded", patient, {"at": hour}, icd10=icd10, category=category, **more)
    if program in PLANS and "plan" not in left_out:
        one.add("plan.recorded", patient, {"at": hour}, **_who(words))


def _consent(one: Tenant, words: Words) -> None:
    one.add("consent.given", one.patient(), {"at": one.at(words)}, **_who(words), form="verbal")


def _revoked(one: Tenant, words: Words) -> None:
    one.add("consent.revoked", one.patient(), {"at": one.at(words)}, **_who(words))


def _enrolled(one: Tenant, words: Words) -> None:
    track = {"track": one.take("track", "")} if "track" in one.options else {}
    moment = {"at": one.at(words)}
    one.add("enrollment.started", one.patient(), moment, **_who(words), site_id=one.take("at", "north"), **track)


def _ended(one: Tenant, words: Words) -> None:
    one.add("enrollment.ended", one.patient(), {"at": one.at(words)}, **_who(words), reason="left")


def _visit(one: Tenant, words: Words) -> None:
    moments = one.span(words)
    modality = next((m for m in ("video", "audio") if one.flag(m)), "in_person")
    setting = next((s for s in ("home", "inpatient", "emergency", "snf") if one.flag(s)), "clinical")
    how = {"kind": words["kind"], "modality": modality, "setting": setting, "em_billed": one.flag("billed")}
    one.add("visit.completed", one.patient(), moments, practitioner_id=words["doctor"], site_id=one.take("at", "north"), **how)


def _time(one: Tenant, words: Words) -> None:
    moments = one.span(words)
    how: dict[str, Any] = {"activity": "care_coordination", "interactive": one.flag("interactive"), "source": one.take("source", "timer")}
    if one.flag("direct"):
        how["supervision"] = "direct"
    who = {**_who(words), "performer_id": words["performer"], "site_id": one.take("at", "north")}
    one.add("time.logged", one.patient(), moments, **who, **how)


def _condition(one: Tenant, words: Words) -> None:
    more: dict[str, Any] = {"onset": one.take("since", "")} if "since" in one.options else {}
    if "expected" in one.options:
        more["expected_months"] = int(one.take("expected", "").removesuffix(" months"))
    moment = {"at": one.instant(words.get("at", "2021-12-01 09:00"))}
    one.add("condition.recorded", one.patient(), moment, icd10=words["icd10"], category=words["category"], **more)


def _plan(one: Tenant, words: Words) -> None:
    one.add("plan.recorded", one.patient(), {"at": one.at(words)}, **_who(words))


def _complexity(one: Tenant, words: Words) -> None:
    one.add("mdm.recorded", one.patient(), {}, practitioner_id=words["doctor"], month=words["month"], level=words["level"])


def _device(one: Tenant, words: Words) -> None:
    moment = {"at": one.at(words)}
    one.add("device.set_up", one.patient(), moment, kind=words["kind"], **_who(words), site_id=one.take("at", "north"))


def _readings(one: Tenant, words: Words) -> None:
    """A reading at noon of each day."""
    first, patient, site = date.fromisoformat(words["first"]), one.patient(), one.site()
    count = int(words["days"]) if "days" in words else (date.fromisoformat(words["last"]) - first).days + 1
    for number in range(count):
        moment = {"at": one.instant(f"{first + timedelta(days=number)} 12:00", site)}
        one.add("device.reading", patient, moment, program=words["program"], kind=words["kind"])


def _reading(one: Tenant, words: Words) -> None:
    one.add("device.reading", one.patient(), {"at": one.at(words)}, program=words["program"], kind=words["kind"])


def _stay(one: Tenant, words: Words) -> None:
    moments = {name: one.instant(words[name], one.site()) for name in ("start", "end") if name in words}
    one.add("stay.recorded", one.patient(), moments, kind=words["kind"])


def _died(one: Tenant, words: Words) -> None:
    one.add("patient.died", one.patient(), {"at": one.at(words)})


def _close(one: Tenant, words: Words) -> None:
    site = {"site_id": words["site"]} if "site" in words else {}
    one.add("month.closed", one.name, {"at": one.instant(words["at"])}, month=words["month"], by="biller", **site)


def _retract(one: Tenant, words: Words) -> None:
    target = one.labels[words["label"]]
    one.options.setdefault("recorded", "2026-12-01 09:00")
    one.add("event.retracted", target["subject"], {}, id=target["id"], reason="entered in error")


STEPS: Final[Mapping[str, Callable[[Tenant, Words], None]]] = {
    rf"site (?P<name>{NAME}) in (?P<zone>[\w/]+)": _site,
    rf"person (?P<name>{NAME}) is (?P<role>\w+)": _person,
    rf"ready {FOR}": _ready,
    rf"consent {FOR} on (?P<at>{WHEN})": _consent,
    rf"consent {FOR} revoked on (?P<at>{WHEN})": _revoked,
    rf"enrolled {IN} on (?P<at>{WHEN})": _enrolled,
    rf"enrolment {IN} ended on (?P<at>{WHEN})": _ended,
    rf"visit (?P<kind>\w+) on {LONG} with (?P<doctor>{NAME})": _visit,
    rf"time {LONG} by (?P<performer>{NAME}) for (?P<doctor>{NAME}) in (?P<program>[A-Z]+)": _time,
    rf"condition (?P<icd10>[\w.]+) (?P<category>\w+)(?: on (?P<at>{WHEN}))?": _condition,
    rf"plan {FOR} on (?P<at>{WHEN})": _plan,
    rf"complexity of (?P<month>\d{{4}}-\d\d) by (?P<doctor>{NAME}) is (?P<level>\w+)": _complexity,
    rf"device (?P<kind>\w+) {IN} set up on (?P<at>{WHEN})": _device,
    rf"readings of (?P<kind>\w+) in (?P<program>[A-Z]+) on (?P<first>{DAY}) (?:to (?P<last>{DAY})|for (?P<days>\d+) days)": _readings,
    rf"reading of (?P<kind>\w+) in (?P<program>[A-Z]+) on (?P<at>{WHEN})": _reading,
    rf"stay (?P<kind>\w+) from (?P<start>{WHEN})(?: to (?P<end>{WHEN}))?": _stay,
    rf"died on (?P<at>{WHEN})": _died,
    rf"close (?P<month>\d{{4}}-\d\d)(?: of (?P<site>{NAME}))? on (?P<at>{WHEN})": _close,
    rf"retract (?P<label>{NAME})": _retract,
}
