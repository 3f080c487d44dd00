"""What the server counts, for Prometheus. Labels are words of the program: no id of anybody, no tenant."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ledger.arrivals import Fate, Parked, Summary
from ledger.condition import Condition
from streams.metrics import OUTCOMES

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
_SIZES: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The figures of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry, namespace="caremonth")
        gauge = partial(Gauge, registry=self.registry, namespace="caremonth")
        histogram = partial(Histogram, registry=self.registry, namespace="caremonth")
        self.requests = counter("http_requests", "Requests answered.", ["method", "route", "status"])
        self.request_seconds = histogram("http_request_seconds", "From a request to its answer's end.", ["route"], buckets=_SECONDS)
        self.events = counter("events", "Events by what became of them.", ["outcome"])
        self.dead_letters = counter("dead_letters", "Events parked, by reason.", ["reason"])
        self.batch_events = histogram("batch_events", "Events in one transaction.", buckets=_SIZES)
        self.batch_seconds = histogram("batch_seconds", "Taking a batch in, until it is committed.", buckets=_SECONDS)
        self.decide_seconds = histogram("decide_seconds", "One transaction of deciding.", buckets=_SECONDS)
        self.refused = counter("intake_refused", "Requests sent away because too much waited.")
        self.troubles = counter("troubles", "Batches and decisions that failed.", ["where"])
        self.queue_events = gauge("intake_queue_events", "Events that wait to be taken in.")
        self.held = gauge("intake_held_bytes", "Bytes of requests that are here, arriving or waiting.")
        self.undecided = gauge("undecided", "Causes for deciding that wait in the ledger.")
        self.undecided_seconds = gauge("undecided_seconds", "How long the oldest of this server's events waits to be decided.")
        self.sequence = gauge("outbox_sequence", "Position of the last decision.")
        self.parked = gauge("dead_letters_parked", "Dead letters in the ledger.")
        self.streams = gauge("streams", "Clients that listen to decisions.")
        for outcome in OUTCOMES:
            self.events.labels(outcome)

    def batch(self, fates: Sequence[Fate], seconds: float) -> None:
        """Count a batch that is committed."""
        for outcome, number in zip(OUTCOMES, Summary.of(fates), strict=True):
            self.events.labels(outcome).inc(number)
        for fate in fates:
            if isinstance(fate, Parked):
                self.dead_letters.labels(fate.reason).inc()
        self.batch_events.observe(len(fates))
        self.batch_seconds.observe(seconds)

    def text(self, now: Condition | None) -> bytes:
        """All of it as a scraper reads it; what the ledger says of itself as it is now, or as it was when it last answered."""
        if now is not None:
            self.undecided.set(now.undecided)
            self.sequence.set(now.sequence)
            self.parked.set(now.dead_letters)
        return generate_latest(self.registry)
