"""The topics as data, and what is said of a broker that has them otherwise (docs/contract.md §5)."""

import pytest

from domain.event_types import EVENT_TYPES
from streams.topics import INPUTS, LARGEST_BATCH, TOPIC_OF, TOPICS, Found, Layout, mismatches, missing, prefix_of, usual_partitions

LAYOUT = Layout(partitions=4, replication=3, prefix="dev.")
LINES = "dev.billing.lines"


def found(**changes: Found) -> dict[str, Found]:
    """All topics as the layout wants them, but for the changes, named by the topic with `_` for other signs."""
    good = Found(4, 3, LAYOUT.settings())
    return {name: changes.get(name.removeprefix("dev.").replace(".", "_").replace("-", "_"), good) for name in LAYOUT.names()}


def with_setting(name: str, value: str) -> Found:
    return Found(4, 3, LAYOUT.settings() | {name: value})


def test_every_type_of_event_has_a_topic() -> None:
    assert TOPIC_OF.keys() >= EVENT_TYPES.keys()
    assert {TOPIC_OF[kind] for kind in EVENT_TYPES} == set(INPUTS)
    assert TOPIC_OF["care.event.retracted.v1"] == "care.record"


def test_the_topics_are_those_of_the_contract() -> None:
    assert [topic.name for topic in TOPICS] == [
        "care.time-log", "care.consent", "care.visit", "care.record", "care.registry", "billing.lines", "care.alerts", "care.dead-letters",
    ]  # fmt: skip


def test_what_is_as_it_should_be_has_no_mismatch() -> None:
    assert mismatches(LAYOUT, found()) == []
    assert missing(LAYOUT, found()) == []
    assert mismatches(LAYOUT, found(care_dead_letters=Found(1, 3, {}), care_registry=Found(1, 5, {}))) == []


def test_a_missing_topic_is_named_with_the_command() -> None:
    there = found()
    del there[LINES]
    assert missing(LAYOUT, there) == [LINES]
    assert mismatches(LAYOUT, there) == ["dev.billing.lines is missing; create it with `caremonth topics create`"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"care_visit": Found(5, 3, {})}, "dev.care.visit has 5 partitions and not 4, as asked for"),
        ({"care_record": with_setting("cleanup.policy", "compact,delete")}, "dev.care.record: is compacted"),
        ({"care_alerts": with_setting("cleanup.policy", "compact")}, "dev.care.alerts: is compacted"),
        ({"care_time_log": with_setting("retention.ms", "604800000")}, "dev.care.time-log: expires by retention.ms=604800000"),
        ({"billing_lines": with_setting("retention.bytes", "1")}, "dev.billing.lines: expires by retention.bytes=1"),
        ({"care_consent": Found(4, 2, {})}, "dev.care.consent: has 2 of 3 copies"),
        ({"care_consent": with_setting("min.insync.replicas", "1")}, "set min.insync.replicas=2"),
        ({"care_consent": with_setting("min.insync.replicas", "4")}, "nothing can be written"),
        ({"care_consent": with_setting("unclean.leader.election.enable", "true")}, "unclean.leader.election.enable=false"),
        ({"care_registry": with_setting("max.message.bytes", "1048588")}, f"set max.message.bytes={LARGEST_BATCH}"),
    ],
)
def test_each_mismatch_is_said_once(changes: dict[str, Found], sentence: str) -> None:
    (problem,) = mismatches(LAYOUT, found(**changes))
    assert sentence in problem


def test_alerts_and_dead_letters_may_expire() -> None:
    week = with_setting("retention.ms", "604800000")
    assert mismatches(LAYOUT, found(care_alerts=week, care_dead_letters=week)) == []


def test_without_a_number_the_topics_of_patients_must_agree() -> None:
    layout = LAYOUT._replace(partitions=None)
    assert mismatches(layout, found()) == []
    (problem,) = mismatches(layout, found(care_visit=Found(8, 3, {})))
    assert problem.startswith("dev.care.visit has 8 partitions and not 4, as the other topics keyed by patient")


def test_new_topics_get_as_many_partitions_as_the_others() -> None:
    layout = LAYOUT._replace(partitions=None)
    assert usual_partitions(layout, found()) == 4
    assert usual_partitions(layout, {}) == 8
    assert usual_partitions(LAYOUT, {LINES: Found(9, 3, {})}) == 4


def test_one_broker_is_enough() -> None:
    assert Layout(replication=1).settings()["min.insync.replicas"] == "1"
    assert Layout(replication=3).settings()["min.insync.replicas"] == "2"


@pytest.mark.parametrize("prefix", ["a b", "ü", "x/", "a\n", "x" * 201])
def test_a_prefix_no_topic_could_have(prefix: str) -> None:
    with pytest.raises(ValueError, match="names of topics"):
        prefix_of(prefix)


def test_a_prefix() -> None:
    assert prefix_of("dev.eu-1_") == "dev.eu-1_"
    assert prefix_of("") == ""
