"""The parts of the bench by name, in the order they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.bench import cli, decide, http, ingest, kafka, latency, peer, postgres, restart, verify
from tests.bench.figures import Figure
from tests.bench.workbench import Workbench

PARTS: Final[dict[str, Callable[[Workbench], Iterator[Figure]]]] = {
    "ingest": ingest.figures,
    "verify": verify.figures,
    "decide": decide.figures,
    "cli": cli.figures,
    "peer": peer.figures,
    "http": http.figures,
    "postgres": postgres.figures,
    "kafka": kafka.figures,
    "latency": latency.figures,
    "restart": restart.figures,
}


def figures(bench: Workbench, names: Iterable[str]) -> Iterator[Figure]:
    """The figures of the named parts."""
    for name in names:
        yield from PARTS[name](bench)
