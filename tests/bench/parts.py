"""The parts of the bench by name, in the order they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.bench import cli, decide, http, ingest, kafka, latency, peer, postgres, replay, restart, verify
from tests.bench.figures import Figure
from tests.bench.workbench import Workbench
from tests.servers import NoServerError

PARTS: Final[dict[str, Callable[[Workbench], Iterator[Figure]]]] = {
    "ingest": ingest.figures,
    "verify": verify.figures,
    "replay": replay.figures,
    "decide": decide.figures,
    "cli": cli.figures,
    "peer": peer.figures,
    "http": http.figures,
    "postgres": postgres.figures,
    "kafka": kafka.figures,
    "latency": latency.figures,
    "restart": restart.figures,
}

ON_SERVERS: Final = ("kafka", "latency", "restart")
"""Those on a broker and a Postgres, which take minutes at any size."""


def figures(bench: Workbench, names: Iterable[str]) -> Iterator[Figure]:
    """The figures of the named parts; of one whose servers cannot be had, why."""
    for name in names:
        try:
            yield from PARTS[name](bench)
        except NoServerError as why:
            yield {"figure": name, "skipped": str(why)}
