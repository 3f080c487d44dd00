"""`verify` of the ingested ledger: everything recomputed and compared."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import task
from tests.bench.figures import Figure, at_least, figure
from tests.bench.workbench import Workbench


def figures(bench: Workbench) -> Iterator[Figure]:
    """Patient-months a second, the start of helping processes included."""
    results = [task.run("verify", bench.ledger()) for _ in range(bench.sizes.runs)]
    if any(result["differences"] for result in results):
        raise RuntimeError("verify found differences in a ledger nobody touched: its speed says nothing")
    months = results[0]["patient_months"]
    rates = [months / result["seconds"] for result in results]
    yield figure("verify", "patient-months/s", rates, at_least(5_000), patient_months=months)
