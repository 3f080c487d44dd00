"""The board shows the ledger's lines, site by site, at an instant that is given."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from ledger import Ledger, open_ledger
from projections.board import HEADER, board_rows, board_table
from projections.run import catch_up
from tests.generators import random_history
from tests.projections.story import ACME, Clinic, inputs

MIDDLE = 1773666000  # 2026-03-16T13:00:00Z
Row = dict[str, Any]


def board(clinic: Clinic, site: str | None = None, as_of: int | None = MIDDLE) -> Row:
    with open_ledger("sqlite://") as ledger:
        assert ledger.ingest(inputs(clinic.events)).dead_letters == 0
        catch_up(ledger.engine)
        return board_rows(ledger.engine, ACME, "2026-03", site, as_of)


def two_sites() -> Clinic:
    clinic = Clinic(north="America/New_York", west="America/Los_Angeles")
    for patient, site, condition, minutes in (
        ("P1", "north", True, 45),
        ("P2", "west", False, 30),
        ("P3", "west", True, 29),
        ("P4", "west", True, 1),
    ):
        clinic.admit(patient, f"2026-03-0{patient[1]}T18:00:00Z", site, condition=condition)
        clinic.log(patient, f"2026-03-0{int(patient[1]) + 1}T20:00:00Z", minutes, site)
    return clinic


def test_rows() -> None:
    found = board(two_sites())
    assert found["as_of"] == "2026-03-16T13:00:00Z"
    short = [
        (r["patient_id"], r["site_id"], r["seconds"], r["next_code"], r["missing_seconds"], r["state"], r["why"]) for r in found["patients"]
    ]
    assert short == [
        ("P1", "north", 2700, "G3003", 900, "reached", []),
        ("P2", "west", 1800, "G3003", 900, "blocked", ["condition"]),
        ("P3", "west", 1740, "G3002", 60, "on_track", []),
        ("P4", "west", 60, "G3002", 1740, "at_risk", []),
    ]
    assert {row["zone"] for row in found["patients"]} == {"America/New_York", "America/Los_Angeles"}
    assert {row["working_days_left"] for row in found["patients"]} == {12}


def test_minutes_are_never_rounded_up() -> None:
    clinic = Clinic()
    clinic.admit("P1", "2026-03-02T18:00:00Z")
    clinic.log("P1", "2026-03-03T18:00:00Z", 29 + 59 / 60)
    row = board(clinic)["patients"][0]
    assert (row["minutes"], row["seconds"], row["missing_seconds"], row["lines"]) == (29, 1799, 1, [])


def test_totals_by_site() -> None:
    found = board(two_sites())
    north, west = found["sites"]
    assert (north["site_id"], north["patients"], north["units"], north["ready"]) == ("north", 1, {"G3002": 1, "G3003": 1}, "117.90")
    assert (west["site_id"], west["patients"], west["units"], west["ready"], west["held"]) == ("west", 3, {}, "0.00", "86.17")
    assert west["held_why"] == {"condition": 1}
    assert west["states"] == {"reached": 0, "on_track": 1, "at_risk": 1, "impossible": 0, "blocked": 1}
    total = found["total"]
    assert (total["patients"], total["ready"], total["held"], total["lines"]["held"]) == (4, "117.90", "86.17", 1)


def test_one_site() -> None:
    found = board(two_sites(), "west")
    assert [row["patient_id"] for row in found["patients"]] == ["P2", "P3", "P4"]
    assert [site["site_id"] for site in found["sites"]] == ["west"]
    assert {name: n for name, n in found["sites"][0].items() if name != "site_id"} == found["total"]


def test_a_site_of_which_there_is_nothing() -> None:
    found = board(two_sites(), "south")
    assert (found["patients"], found["total"]["patients"], found["total"]["closed"]) == ([], 0, "0.00")


def test_after_the_close_and_a_correction() -> None:
    clinic = two_sites()
    clinic.close("2026-03", "2026-04-02T12:00:00Z")
    clinic.log("P1", "2026-03-30T18:00:00Z", 15, recorded="2026-04-03T12:00:00Z")
    found = board(clinic, as_of=None)
    assert found["as_of"] == "2026-04-03T12:00:00Z"
    assert [row["state"] for row in found["patients"]] == ["reached", "blocked", "impossible", "impossible"]
    total = found["total"]
    assert (total["ready"], total["closed"], total["adjusted"], total["lines"]["adjusted"]) == ("0.00", "117.90", "31.73", 1)


def test_a_close_alone_turns_lines_closed() -> None:
    clinic = two_sites()
    clinic.close("2026-03", "2026-04-02T12:00:00Z", site_id="north")
    north, west = board(clinic)["sites"]
    assert (north["closed"], north["ready"], west["held"]) == ("117.90", "0.00", "86.17")


def test_time_of_an_unknown_site_belongs_to_its_utc_month() -> None:
    clinic = Clinic()
    clinic.log("P1", "2026-03-03T18:00:00Z", 10, site="nowhere")
    row = board(clinic)["patients"][0]
    assert (row["zone"], row["state"], row["why"]) == ("UTC", "blocked", ["before_consent", "site_unknown"])


def test_time_that_does_not_count_has_its_sites_zone() -> None:
    clinic = Clinic(west="America/Los_Angeles")
    clinic.log("P1", "2026-03-03T18:00:00Z", 10, site="west")
    row = board(clinic)["patients"][0]
    assert (row["zone"], row["why"]) == ("America/Los_Angeles", ["before_consent"])


def test_a_device_whose_code_is_not_in_force_yet_is_a_row_without_a_site() -> None:
    clinic = Clinic()
    lee = {"program": "RTM", "practitioner_id": "dr-lee"}
    clinic.add("consent.given", "P1", "2022-01-01T00:00:00Z", at="2022-01-01T00:00:00Z", form="verbal", **lee)
    clinic.add("device.set_up", "P1", "2022-03-03T18:00:00Z", kind="cbt", site_id="north", at="2022-03-03T18:00:00Z", **lee)
    for day in range(3, 31):
        at = f"2022-03-{day:02d}T18:00:00Z"
        clinic.add("device.reading", "P1", at, program="RTM", kind="cbt", at=at)
    with open_ledger("sqlite://") as ledger:
        assert ledger.ingest(inputs(clinic.events)).dead_letters == 0
        catch_up(ledger.engine)
        row = board_rows(ledger.engine, ACME, "2022-04", as_of=MIDDLE)["patients"][0]
    assert (row["site_id"], row["zone"], row["state"], row["lines"]) == (None, "UTC", "impossible", [])


def test_what_was_taken_back_leaves_the_board() -> None:
    clinic = Clinic()
    clinic.admit("P1", "2026-03-02T18:00:00Z")
    entry = clinic.log("P1", "2026-03-03T18:00:00Z", 40)
    clinic.retract(entry, "P1", "2026-03-05T00:00:00Z")
    row = board(clinic)["patients"][0]
    assert (row["seconds"], row["excluded_seconds"], row["lines"]) == (0, {"retracted": 2400}, [])


def test_another_tenants_month_is_not_shown() -> None:
    with open_ledger("sqlite://") as ledger:
        ledger.ingest(inputs([*two_sites().events, *({**event, "tenant": "bolt"} for event in two_sites().events)]))
        catch_up(ledger.engine)
        assert board_rows(ledger.engine, ACME, "2026-03", as_of=MIDDLE)["total"]["patients"] == 4
        assert board_rows(ledger.engine, "corp", "2026-03", as_of=MIDDLE)["patients"] == []


def test_the_table_for_people() -> None:
    table = board_table(board(two_sites()))
    assert table[0] == list(HEADER)
    assert table[2] == ["P2", "CPM", "dr-lee", "west", "30:00", "G3003", "15:00", "12", "blocked", "condition"]
    assert table[3][-2:] == ["on_track", "-"]


@pytest.mark.parametrize("seed", [1, 3, 5, 7, 11, 15, 18, 30, 38])
def test_its_figures_are_those_of_lines_and_adjustments(seed: int) -> None:
    history = random_history(seed, closes=True)
    with open_ledger("sqlite://") as ledger:
        for part in (history[: len(history) // 2], history[len(history) // 2 :]):
            ledger.ingest(inputs(part))
            catch_up(ledger.engine, batch=13)
        for tenant, month in sorted({(line["tenant"], line["month"]) for line in [*ledger.lines(), *ledger.adjustments()]}):
            _agree(ledger, tenant, month)


def _agree(ledger: Ledger, tenant: str, month: str) -> None:
    found = board_rows(ledger.engine, tenant, month)
    lines = ledger.lines(tenant, month)
    adjustments = [a for a in ledger.adjustments() if (a["tenant"], a["month"]) == (tenant, month)]
    shown = [{**line, "patient_id": row["patient_id"]} for row in found["patients"] for line in row["lines"]]
    names = ("line_id", "patient_id", "code", "units", "status", "unmet", "date_of_service", "site_id", "amount")
    assert sorted(_of(line, names) for line in shown) == sorted(_of(line, names) for line in lines)
    for part, chosen in [(found["total"], _always), *((site, _at(site["site_id"])) for site in found["sites"])]:
        for status in ("ready", "awaiting_close", "closed", "held", "excluded"):
            assert Decimal(part[status]) == _sum(line["amount"] for line in lines if line["status"] == status and chosen(line))
        assert Decimal(part["adjusted"]) == _sum(a["amount_delta"] for a in adjustments if chosen(a))
        assert sum(part["units"].values()) == sum(
            line["units"] for line in lines if line["status"] not in ("held", "excluded") and chosen(line)
        )


def _of(line: Row, names: Iterable[str]) -> str:
    return repr([line[name] for name in names])


def _always(_line: Row) -> bool:
    return True


def _at(site: str) -> Callable[[Row], bool]:
    return lambda line: bool(line["site_id"] == site)


def _sum(amounts: Iterable[str | None]) -> Decimal:
    return sum((Decimal(amount) for amount in amounts if amount is not None), Decimal(0))
