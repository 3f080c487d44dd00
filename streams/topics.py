"""The topics as data: what each carries, by which key, and how it must be kept (docs/contract.md §5).

layout = Layout(partitions=8, replication=3)
problems = mismatches(layout, found)

A retraction says of its target only the subject, so its producer chooses: what it knows to be a patient's goes to
`care.record` under `tenant/subject`, what it knows to be a registration's or a close's to `care.registry` under `tenant`.
The ledger finds the target by identity alone, so either is right; both keys are accepted of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from domain.alerts import ALERT
from domain.event import Event
from domain.settlement import ADJUSTMENT, LINE_READY, LINE_WITHDRAWN, MONTH_CLOSED

TIME_LOG: Final = "care.time-log"
CONSENT: Final = "care.consent"
VISIT: Final = "care.visit"
RECORD: Final = "care.record"
REGISTRY: Final = "care.registry"
BILLING_LINES: Final = "billing.lines"
ALERTS: Final = "care.alerts"
DEAD_LETTERS: Final = "care.dead-letters"

RETRACTED: Final = "care.event.retracted.v1"
PARTITIONS: Final = 8
REPLICATION: Final = 3
LARGEST_BATCH: Final = 4 * 1_048_576
"""Bytes a topic takes at once: an event of one MiB with its headers, and one that is too large but must be parked all the same."""

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{0,200}", re.ASCII)
_UNLIMITED: Final = "-1"


class Topic(NamedTuple):
    """One topic. `by_patient`: keyed `tenant/patient` and therefore of as many partitions as the others of its kind.

    `kept` holds what can be had from nowhere else: it may neither expire nor be compacted (a key has many events).
    """

    name: str
    role: Literal["input", "output"]
    types: tuple[str, ...]
    by_patient: bool = True
    kept: bool = True


TOPICS: Final = (
    Topic(TIME_LOG, "input", ("care.time.logged.v1",)),
    Topic(
        CONSENT,
        "input",
        ("care.enrollment.started.v1", "care.enrollment.ended.v1", "care.consent.given.v1", "care.consent.revoked.v1"),
    ),
    Topic(VISIT, "input", ("care.visit.completed.v1",)),
    Topic(
        RECORD,
        "input",
        (
            "care.condition.recorded.v1", "care.plan.recorded.v1", "care.mdm.recorded.v1", "care.device.set_up.v1",
            "care.device.reading.v1", "care.stay.recorded.v1", "care.patient.died.v1", RETRACTED,
        ),
    ),
    Topic(
        REGISTRY,
        "input",
        ("care.site.registered.v1", "care.practitioner.registered.v1", "care.month.closed.v1", RETRACTED),
        by_patient=False,
    ),
    Topic(BILLING_LINES, "output", (LINE_READY, LINE_WITHDRAWN, ADJUSTMENT, MONTH_CLOSED)),
    Topic(ALERTS, "output", (ALERT,), kept=False),
    Topic(DEAD_LETTERS, "output", (), by_patient=False, kept=False),
)  # fmt: skip
"""`care.month.progressed.v1` has no topic: projections read it from the outbox."""

INPUTS: Final = tuple(topic.name for topic in TOPICS if topic.role == "input")
TOPIC_OF: Final[Mapping[str, str]] = MappingProxyType({kind: topic.name for topic in reversed(TOPICS) for kind in topic.types})
"""The topic of each type of event, of a retraction that of a patient's."""
_OF_TENANT: Final = frozenset(kind for topic in TOPICS if not topic.by_patient for kind in topic.types) - {RETRACTED}


def keys_of(event: Event) -> tuple[bytes, ...]:
    """The keys that a message with this event may have, the one that we give it first."""
    tenant = event.tenant.encode()
    if event.type in _OF_TENANT:
        return (tenant,)
    patient = patient_key(event.tenant, event.subject)
    return (patient, tenant) if event.type == RETRACTED else (patient,)


def patient_key(tenant: str, patient: str) -> bytes:
    """The key of a patient's events and decisions; neither part holds a slash."""
    return f"{tenant}/{patient}".encode()


class Layout(NamedTuple):
    """How the topics of one installation are to be: the beginning of their names, partitions and copies of each.

    `partitions` None asks only that topics keyed by patient have the same number.
    """

    partitions: int | None = PARTITIONS
    replication: int = REPLICATION
    prefix: str = ""

    def name(self, topic: str) -> str:
        """The topic's name at the broker."""
        return f"{self.prefix}{topic}"

    def names(self) -> tuple[str, ...]:
        """The names of all topics at the broker."""
        return tuple(self.name(topic.name) for topic in TOPICS)

    def inputs(self) -> tuple[str, ...]:
        """The names at the broker of the topics that events come in by."""
        return tuple(map(self.name, INPUTS))

    def settings(self) -> dict[str, str]:
        """The settings a topic is created with. With one copy fewer than `replication` a write is still taken."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": _UNLIMITED,
            "retention.bytes": _UNLIMITED,
            "max.message.bytes": str(LARGEST_BATCH),
            "min.insync.replicas": str(max(1, self.replication - 1)),
            "unclean.leader.election.enable": "false",
        }


class Found(NamedTuple):
    """A topic as a broker describes it."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


def prefix_of(text: str) -> str:
    """The prefix itself; ValueError where a topic's name could not begin so."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("must be at most 200 letters, digits or . _ -, since the names of topics begin with it")
    return text


def missing(layout: Layout, found: Mapping[str, Found]) -> list[str]:
    """The names of the topics that are not there."""
    return [name for name in layout.names() if name not in found]


def mismatches(layout: Layout, found: Mapping[str, Found]) -> list[str]:
    """What is not as it must be, a sentence each, with what to do; empty where a worker may start."""
    problems = [f"{name} is missing; create it with `caremonth topics create`" for name in missing(layout, found)]
    problems += _unequal(layout, found)
    for topic in TOPICS:
        name = layout.name(topic.name)
        if name in found:
            problems += [f"{name}: {problem}" for problem in _faults(topic, layout, found[name])]
    return problems


def usual_partitions(layout: Layout, found: Mapping[str, Found]) -> int:
    """The number asked for, else that of most of the topics keyed by patient that are there, else `PARTITIONS`."""
    numbers = [one.partitions for one in _by_patient(layout, found).values()]
    return layout.partitions or max(sorted(set(numbers)), key=numbers.count, default=PARTITIONS)


def _by_patient(layout: Layout, found: Mapping[str, Found]) -> dict[str, Found]:
    names = [layout.name(topic.name) for topic in TOPICS if topic.by_patient]
    return {name: found[name] for name in names if name in found}


def _unequal(layout: Layout, found: Mapping[str, Found]) -> Iterator[str]:
    usual = usual_partitions(layout, found)
    why = "as the other topics keyed by patient" if layout.partitions is None else "as asked for"
    for name, one in _by_patient(layout, found).items():
        if one.partitions != usual:
            yield (
                f"{name} has {one.partitions} partitions and not {usual}, {why}; more can be added but that moves keys: "
                "let the workers read all of it first, or create it anew and send its events again"
            )


def _faults(topic: Topic, layout: Layout, found: Found) -> Iterator[str]:
    settings = found.settings
    if found.replication < layout.replication:
        yield f"has {found.replication} of {layout.replication} copies; add replicas, or ask for fewer with --replication"
    if "compact" in settings.get("cleanup.policy", ""):
        yield "is compacted, which drops all but a key's last event; set cleanup.policy=delete"
    if topic.kept:
        for name in ("retention.ms", "retention.bytes"):
            if settings.get(name, _UNLIMITED) != _UNLIMITED:
                yield f"expires by {name}={settings[name]}; set it to -1: what has not been read would be gone"
    yield from _durability(layout, found)


def _durability(layout: Layout, found: Found) -> Iterator[str]:
    settings, wanted = found.settings, layout.settings()
    insync = int(settings.get("min.insync.replicas", wanted["min.insync.replicas"]))
    if insync > found.replication:
        yield f"asks for {insync} copies in sync and has {found.replication}, so nothing can be written; lower min.insync.replicas"
    elif insync < int(wanted["min.insync.replicas"]):
        yield f"takes a write as safe with {insync} copies; set min.insync.replicas={wanted['min.insync.replicas']}"
    if settings.get("unclean.leader.election.enable") == "true":
        yield "may lose acknowledged events to a leader that lags; set unclean.leader.election.enable=false"
    if int(settings.get("max.message.bytes", LARGEST_BATCH)) < LARGEST_BATCH:
        yield f"refuses large events before they can be parked; set max.message.bytes={LARGEST_BATCH}"
