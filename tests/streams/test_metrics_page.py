"""The page for operators names every figure there is, and none besides."""

import re

from prometheus_client import CollectorRegistry

from streams.http.metrics import Metrics as Web
from streams.metrics import Metrics
from tools.tree import ROOT

PAGE = ROOT / "docs" / "operations.md"


def told(registry: CollectorRegistry) -> set[str]:
    """The names of the figures, as a scraper knows them."""
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()}


def test_every_figure_is_explained_and_none_besides() -> None:
    text = PAGE.read_text(encoding="utf-8")
    _, worker, relay, web = re.split(r"^\| (?:worker|relay|web) \| \|$", text, flags=re.MULTILINE)
    named = [set(re.findall(r"`(caremonth_\w+)", part.partition("\n\n")[0])) for part in (worker, relay, web)]
    assert named[0] | named[1] == told(Metrics().registry)
    assert named[2] - {"caremonth_outbox_sent"} == told(Web().registry)
