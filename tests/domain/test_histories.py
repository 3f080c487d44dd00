"""Months of one patient decided one after the other, what lasts found once for all of them, are decided as each alone."""

from collections.abc import Iterator
from random import Random

import pytest

from caremonth.sample import sample
from domain.decide import Decision, decide
from domain.facts import Registry
from domain.histories import Histories
from domain.records import MONTHLY, Facts, add, history, months_of, place, reading_months, with_windows
from domain.registry import Registration, registry_of
from domain.rulebook import Rulebook
from domain.rulebook_vocabulary import vocabulary
from ledger.codec import decode
from ledger.rule_files import PACKAGED, load_rulebook

Documents = tuple[Facts, dict[str, Facts]]


@pytest.fixture(scope="module")
def rules() -> Rulebook:
    return load_rulebook(PACKAGED)


@pytest.fixture(scope="module")
def told(rules: Rulebook) -> tuple[Registry, list[Documents]]:
    """The registry and the patients' documents of a sample stream, retractions left aside."""
    patients: dict[str, Documents] = {}
    registrations = []
    words = vocabulary(rules)
    for event in {event.identity: event for event in (decode(line.encode(), words) for line in sample(40, 4, 2, 3))}.values():
        if event.type.endswith("registered.v1"):
            registrations.append(Registration.of(event))
        elif (placed := place(event)) is not None:
            lasting, monthly = patients.setdefault(event.subject, ({}, {}))
            for document in (
                [monthly.setdefault(m, {}) for m in months_of(placed.low, placed.high)] if placed.kind in MONTHLY else [lasting]
            ):
                add(document, placed.kind, placed.fact)
    return registry_of(registrations), list(patients.values())


def shown(decision: Decision) -> Iterator[object]:
    """All there is to a decision, in texts and numbers."""
    for one in decision.programs:
        yield one._replace(tally=None)  # type: ignore[arg-type]
        yield [(start, end, entry, zone.name) for start, end, entry, zone in one.tally.counted], one.tally.excluded


def alone(documents: Documents, month: str, registry: Registry, rules: Rulebook) -> Decision:
    """The decision on a month by itself."""
    lasting, monthly = documents
    earlier = [monthly[m] for m in sorted(reading_months(lasting, month) & monthly.keys())]
    return decide(history(lasting, monthly.get(month, {}), earlier, ()), month, registry, rules)


def test_months_decided_together_are_decided_as_each_alone(told: tuple[Registry, list[Documents]], rules: Rulebook) -> None:
    registry, patients = told
    device_lines = 0
    for number, documents in enumerate(patients):
        together, months = Histories(*documents, ()), sorted(with_windows(documents[1]))
        Random(number).shuffle(months)
        for month in months:
            decision = decide(together.of(month), month, registry, rules)
            assert list(shown(decision)) == list(shown(alone(documents, month, registry, rules)))
            device_lines += len([line for line in decision.lines if line.days])
    assert device_lines > 0


def test_what_was_found_with_one_registry_is_not_taken_for_another(told: tuple[Registry, list[Documents]], rules: Rulebook) -> None:
    """Given months decided while nobody is registered, when all are, then the same histories come to lines."""
    registry, patients = told
    for documents in patients:
        together = Histories(*documents, ())
        for month in documents[1]:
            assert decide(together.of(month), month, Registry(), rules).lines == []
            known = decide(together.of(month), month, registry, rules)
            assert list(shown(known)) == list(shown(alone(documents, month, registry, rules)))
