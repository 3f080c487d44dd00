"""The export holds what was closed and proposed since, sums as the ledger does, and runs in no spreadsheet."""

import csv
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

import pytest

from ledger import Ledger, open_ledger
from projections.export import COLUMNS, NUMBERS, export_csv, safe
from projections.run import catch_up
from tests.generators import random_history
from tests.projections.story import ACME, Clinic, inputs

Record = dict[str, str]
MARCH = "2026-03"


def exported(ledger: Ledger, tenant: str = ACME, month: str = MARCH, site: str | None = None) -> list[Record]:
    catch_up(ledger.engine)
    return list(csv.DictReader(export_csv(ledger.engine, tenant, month, site)))


def of(clinic: Clinic, site: str | None = None) -> list[Record]:
    with open_ledger("sqlite://") as ledger:
        assert ledger.ingest(inputs(clinic.events)).dead_letters == 0
        return exported(ledger, site=site)


def closed_month(patient: str = "P1", minutes: float = 45) -> Clinic:
    clinic = Clinic()
    clinic.admit(patient, "2026-03-02T18:00:00Z")
    clinic.log(patient, "2026-03-03T18:00:00Z", minutes)
    clinic.close(MARCH, "2026-04-02T12:00:00Z")
    return clinic


def test_a_month_that_is_not_closed_has_a_header_alone() -> None:
    with open_ledger("sqlite://") as ledger:
        ledger.ingest(inputs(closed_month().events[:-1]))
        catch_up(ledger.engine)
        assert list(export_csv(ledger.engine, ACME, MARCH)) == [",".join(COLUMNS)]


def test_a_base_and_its_addon() -> None:
    base, addon = of(closed_month())
    wanted = (
        "record",
        "code",
        "base_code",
        "units",
        "unit_amount",
        "amount",
        "date_of_service",
        "practitioner_npi",
        "site_id",
        "pos",
        "seconds",
    )
    assert [base[name] for name in wanted] == [
        "line",
        "G3002",
        "",
        "1",
        "86.17",
        "86.17",
        "2026-03-03",
        "1234567893",
        "north",
        "11",
        "2700",
    ]
    assert [addon[name] for name in wanted[:6]] == ["line", "G3003", "G3002", "1", "31.73", "31.73"]
    assert (base["evidence_count"], base["evidence"]) == ("1", '["/ehr|e0005"]')
    assert (base["units_delta"], base["amount_delta"], base["adjustment_kind"], base["cause"]) == ("", "", "", "")


def test_a_correction_after_the_close() -> None:
    clinic = closed_month()
    clinic.retract("e0005", "P1", "2026-04-05T00:00:00Z")
    records = of(clinic)
    assert [r["record"] for r in records] == ["line", "line", "adjustment", "adjustment"]
    assert [r["code"] for r in records] == ["G3002", "G3003"] * 2
    minus = records[2]
    assert [minus[name] for name in ("units", "amount", "units_delta", "amount_delta", "units_now", "amount_now")] == [
        "",
        "",
        "-1",
        "-86.17",
        "0",
        "0.00",
    ]
    assert (minus["adjustment_kind"], minus["cause"], minus["line_id"]) == (
        "overpayment",
        '{"events":["/ehr|e0007"]}',
        records[0]["line_id"],
    )
    assert records[2]["group"] == records[3]["group"] != ""


def test_a_base_comes_first_also_where_its_code_is_the_greater() -> None:
    clinic = Clinic()
    start, lee = "2026-03-02T18:00:00Z", {"program": "CCM", "practitioner_id": "dr-lee"}
    visit = {"kind": "em", "modality": "video", "setting": "clinical", "em_billed": True, "site_id": "north", "practitioner_id": "dr-lee"}
    clinic.add("consent.given", "P1", start, at=start, form="verbal", **lee)
    clinic.add("visit.completed", "P1", "2026-03-02T18:30:00Z", start=start, end="2026-03-02T18:30:00Z", **visit)
    clinic.add("plan.recorded", "P1", start, at=start, **lee)
    for icd10 in ("I10", "E11.9"):
        clinic.add("condition.recorded", "P1", start, icd10=icd10, category="chronic", at=start)
    clinic.log("P1", "2026-03-03T18:00:00Z", 40)
    clinic.events[-1]["data"]["program"] = "CCM"
    clinic.close(MARCH, "2026-04-02T12:00:00Z")
    clinic.retract(clinic.events[-2]["id"], "P1", "2026-04-05T00:00:00Z")
    assert [(r["record"], r["code"], r["base_code"]) for r in of(clinic)] == [
        ("line", "99490", ""), ("line", "99439", "99490"), ("adjustment", "99490", ""), ("adjustment", "99439", "99490"),
    ]  # fmt: skip


def test_one_site() -> None:
    clinic = Clinic(north="America/New_York", west="America/Los_Angeles")
    for number, site in enumerate(("north", "west"), 1):
        clinic.admit(f"P{number}", f"2026-03-0{number}T18:00:00Z", site)
        clinic.log(f"P{number}", f"2026-03-1{number}T18:00:00Z", 30, site)
    clinic.close(MARCH, "2026-04-02T12:00:00Z")
    assert [r["patient_id"] for r in of(clinic)] == ["P1", "P2"]
    assert [r["patient_id"] for r in of(clinic, "west")] == ["P2"]


def test_the_npi_that_holds_on_the_date_of_service() -> None:
    clinic = closed_month()
    for first, npi in (("2026-03-03", "1245319599"), ("2026-03-04", "1679576722")):
        clinic.add("practitioner.registered", "dr-lee", "2026-04-01T00:00:00Z", role="physician", npi=npi, valid_from=first)
    assert {r["practitioner_npi"] for r in of(clinic)} == {"1245319599"}


def test_a_registration_without_an_npi_leaves_it_empty() -> None:
    clinic = closed_month()
    clinic.add("practitioner.registered", "dr-lee", "2026-04-01T00:00:00Z", role="physician", valid_from="2026-01-01")
    assert {r["practitioner_npi"] for r in of(clinic)} == {""}


def test_an_id_that_a_spreadsheet_would_run() -> None:
    assert {r["patient_id"] for r in of(closed_month("-2"))} == {"'-2"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-1+cmd|' /C calc'!A0"])
def test_formulas(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "P-1", "a=1", "31.73", " 1", "'=1", '["=1"]'])
def test_plain_texts(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize("seed", [1, 3, 5, 7, 11, 15, 18, 30, 38])
def test_its_sums_are_those_of_lines_and_adjustments(seed: int) -> None:
    with open_ledger("sqlite://") as ledger:
        ledger.ingest(inputs(random_history(seed, closes=True)))
        closed = [line for line in ledger.lines() if line["status"] == "closed"]
        for tenant, month in sorted({(line["tenant"], line["month"]) for line in [*closed, *ledger.adjustments()]}):
            lines = [line for line in closed if (line["tenant"], line["month"]) == (tenant, month)]
            adjustments = [a for a in ledger.adjustments() if (a["tenant"], a["month"]) == (tenant, month)]
            records = exported(ledger, tenant, month)
            assert len(records) == len(lines) + len(adjustments)
            assert _sums(r["amount"] for r in records) == _sums(line["amount"] for line in lines)
            assert _sums(r["units"] for r in records) == sum(line["units"] for line in lines)
            assert _sums(r["amount_delta"] for r in records) == _sums(a["amount_delta"] for a in adjustments)
            assert _sums(r["units_delta"] for r in records) == sum(a["units_delta"] for a in adjustments)
            _check_order(records)
            _check_cells(records)


def _sums(cells: Iterable[str | None]) -> Decimal:
    return sum((Decimal(cell) for cell in cells if cell), Decimal(0))


def _check_order(records: list[Record]) -> None:
    """The add-on of a line directly follows its base."""
    for before, record in pairwise(records):
        if record["record"] == "line" and record["base_code"]:
            assert (before["code"], before["patient_id"]) == (record["base_code"], record["patient_id"])


def _check_cells(records: list[Record]) -> None:
    for record in records:
        assert not [name for name, cell in record.items() if name not in NUMBERS and safe(cell) != cell]
        assert all(Decimal(cell).is_finite() for name, cell in record.items() if name in NUMBERS and cell)
