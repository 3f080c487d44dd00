"""How much is measured: a default that ends in minutes, the full size, and a tiny one that only shows that it runs."""

from __future__ import annotations

from typing import Final, NamedTuple


class Sizes(NamedTuple):
    """`patients` × `months` make the stream, about 20 events each; `entries` are those of one month whose deciding is timed.

    `runs` are the repetitions, `processes` those of a whole process, `broker_runs` those behind a broker; `decisions` are the
    patient-months decided in a run, `history_*` what is decided again: patients of five years, so many times over.
    """

    patients: int
    topic_patients: int
    steady_patients: int
    restarts: int
    broker_runs: int
    months: int
    sites: int
    runs: int
    decisions: int
    entries: tuple[int, ...]
    processes: int
    peer_entries: int
    history_patients: int
    history_copies: int


DEFAULT: Final = Sizes(
    patients=830,
    topic_patients=1_600,
    steady_patients=700,
    restarts=3,
    broker_runs=3,
    months=6,
    sites=6,
    runs=5,
    decisions=200,
    entries=(20, 200, 2_000),
    processes=9,
    peer_entries=10_000,
    history_patients=85,
    history_copies=40,
)
FULL: Final = DEFAULT._replace(patients=8_300, topic_patients=16_000, broker_runs=1, decisions=1_000, history_copies=200)
TINY: Final = Sizes(
    patients=6,
    topic_patients=6,
    steady_patients=6,
    restarts=1,
    broker_runs=1,
    months=1,
    sites=2,
    runs=1,
    decisions=3,
    entries=(20, 40, 80),
    processes=0,
    peer_entries=20,
    history_patients=20,
    history_copies=2,
)
