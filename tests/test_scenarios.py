"""Every scenario, in the order told and in another, and the pages that cite scenarios."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger, open_ledger
from tests.scenario_runner import FOLDER, Scenario, ingest, outcome, problems, read_scenarios

SCENARIOS = list(read_scenarios())
DOCS = Path(__file__).parent.parent / "docs"
CITED = re.compile(r"`(rule-\d\d[\w-]*)\.yaml` ([a-z0-9-]+)")


def _names(scenario: Scenario) -> str:
    return f"{scenario.file.removesuffix('.yaml')}:{scenario.name}"


@pytest.fixture(scope="module")
def told() -> Iterator[Ledger]:
    """A ledger that takes scenarios in as they are told, an event at a time."""
    with open_ledger("sqlite://") as ledger:
        yield ledger


@pytest.fixture(scope="module")
def stirred() -> Iterator[Ledger]:
    """A ledger that takes them in another order, with a duplicate, a few at a time."""
    with open_ledger("sqlite://") as ledger:
        yield ledger


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_names)
def test_a_scenario_comes_out_as_written(scenario: Scenario, told: Ledger, stirred: Ledger) -> None:
    ingest(told, scenario.told())
    assert problems(told, scenario) == []
    if not scenario.closes:
        ingest(stirred, scenario.stirred())
        assert outcome(stirred, scenario) == outcome(told, scenario)


def test_the_ledgers_verify_after_all_of_it(told: Ledger, stirred: Ledger) -> None:
    assert told.verify() == []
    assert stirred.verify() == []


def test_no_two_scenarios_share_a_tenant() -> None:
    tenants = [scenario.tenant for scenario in SCENARIOS]
    assert len(set(tenants)) == len(tenants)


def test_every_numbered_rule_has_a_file() -> None:
    assert sorted({path.name[:7] for path in FOLDER.glob("rule-*.yaml")}) == [f"rule-{number:02}" for number in range(1, 19)]


def test_every_edge_case_is_answered() -> None:
    page = (DOCS / "edge-cases.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (E\d+) ", page, re.MULTILINE) == [f"E{number}" for number in range(1, 49)]


@pytest.mark.parametrize("page", ["edge-cases.md", "readings.md"])
def test_every_cited_scenario_exists(page: str) -> None:
    known = {(scenario.file.removesuffix(".yaml"), scenario.name) for scenario in SCENARIOS}
    tables = {(scenario.file.removesuffix(".yaml"), name) for scenario in SCENARIOS for name in _tables(scenario)}
    cited = set(CITED.findall((DOCS / page).read_text(encoding="utf-8")))
    assert cited
    assert cited <= known | tables


def _tables(scenario: Scenario) -> Iterator[str]:
    """What a row of a table may be cited by: the name without its value."""
    parts = scenario.name.split("-")
    yield from ("-".join(parts[:length]) for length in range(1, len(parts)))
