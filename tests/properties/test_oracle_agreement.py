"""The product and the oracle, which shares nothing with it, say the same of every second, line, date and amount."""

from hypothesis import HealthCheck, given, settings

from tests.generators import tenant_histories
from tests.properties.agreement import disagreements
from tests.properties.campaign import run
from tests.properties.pure import decided
from tests.properties.told import Event

PATIENT_MONTHS = 2000


def test_thousands_of_random_patient_months() -> None:
    tally = run(PATIENT_MONTHS, jobs=2)
    assert tally.found == ()
    assert tally.patient_months >= PATIENT_MONTHS
    assert tally.through_ledger > 30


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(history=tenant_histories(closes=True))
def test_drawn_histories(history: list[Event]) -> None:
    assert disagreements(history, decided(history)) == []
