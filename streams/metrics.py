"""What is measured, for Prometheus. Labels are topics, partitions, kinds and reasons, never ids of patients or people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, perf_counter, time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ledger import Summary
from streams.records import Place, Read

SIZES = (1, 10, 100, 500, 1_000, 2_000, 4_000, 8_000)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
OUTCOMES = ("accepted", "duplicate", "dead_letter")
"""What may become of an input, in the order of a `Summary`."""


class Metrics:
    """A worker's or relay's measurements, in a registry of its own.

    One that has not got on for `stall_after` seconds is not well. It gets on by working, and by looking for work in vain.
    """

    def __init__(self, stall_after: float = 60.0) -> None:
        self.stall_after = stall_after
        self.moved_at: float | None = None
        self.caught_up_at: float | None = None
        self.registry = registry = CollectorRegistry()
        self.events = Counter("caremonth_events", "Events taken, by outcome", ["outcome"], registry=registry)
        self.batch_size = Histogram("caremonth_batch_records", "Records a batch", registry=registry, buckets=SIZES)
        self.batch_seconds = Histogram("caremonth_batch_seconds", "Seconds to accept a batch", registry=registry, buckets=SECONDS)
        self.decide_seconds = Histogram("caremonth_decide_seconds", "Seconds to decide a portion", registry=registry, buckets=SECONDS)
        self.fenced = Counter("caremonth_fenced", "Batches refused because another writer was ahead", registry=registry)
        self.gaps = Counter("caremonth_gaps", "Gaps that were read again from the broker", registry=registry)
        self.lag_records = Gauge("caremonth_lag_records", "Records not taken yet", ["topic", "partition"], registry=registry)
        self.lag_seconds = Gauge("caremonth_lag_seconds", "Age of the newest record taken", ["topic", "partition"], registry=registry)
        self.relayed = Counter("caremonth_relayed", "Messages the broker acknowledged", ["topic"], registry=registry)
        self.sent = Gauge("caremonth_outbox_sent", "Number of the last one marked as sent", ["source"], registry=registry)
        age = Gauge("caremonth_outbox_age_seconds", "The longest that anything may have waited to be sent", registry=registry)
        age.set_function(lambda: 0.0 if self.caught_up_at is None else monotonic() - self.caught_up_at)
        still = Gauge("caremonth_still_seconds", "Seconds since it last got on; -1 before it first did", registry=registry)
        still.set_function(lambda: -1.0 if self.moved_at is None else monotonic() - self.moved_at)

    def moved(self) -> None:
        """It got on."""
        self.moved_at = monotonic()

    def caught_up(self) -> None:
        """Everything was sent that there was, or sending begins."""
        self.caught_up_at = monotonic()

    @property
    def well(self) -> bool:
        """Whether it has begun and gets on."""
        return self.moved_at is not None and monotonic() - self.moved_at <= self.stall_after

    @contextmanager
    def batch(self, records: int) -> Iterator[None]:
        """Measure the taking of a batch; one that was not taken, and is tried again, counts when it is."""
        start = perf_counter()
        yield
        self.batch_size.observe(records)
        self.batch_seconds.observe(perf_counter() - start)

    def took(self, summary: Summary, records: Iterable[Read]) -> None:
        """Count outcomes, and how old the newest record of each partition was."""
        for outcome, number in zip(OUTCOMES, summary, strict=True):
            self.events.labels(outcome).inc(number)
        newest = {record.place: record.timestamp for record in records}
        for place, timestamp in newest.items():
            self.lag_seconds.labels(place.topic, place.partition).set(max(0.0, time() - timestamp / 1000))

    def lags(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> None:
        """How far the broker is ahead of the ledger; partitions that are another's now are no longer told."""
        self.lag_records.clear()
        for place, end in ends.items():
            self.lag_records.labels(*place).set(max(0, end - positions[place]))
