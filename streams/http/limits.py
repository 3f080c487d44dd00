"""How much one caller may ask of the server, and how much may wait in it."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """Sizes in bytes, times in seconds.

    `body` and `events` are those of one request; `body_seconds` how long one may take to arrive. `held` bytes of requests may be here
    at once and `queue_events` wait to be taken in: beyond, callers are told to come again. `batch` is about how many events share a
    transaction, `portion` how many patient-months are decided in one. `undecided_seconds` is how long a read waits for the decisions on
    what came before it, `lag_seconds` how far deciding may be behind before the server calls itself not ready, `stop_seconds` how long a
    stop waits for requests, and then for deciding. A stream's listener hears something every `heartbeat_seconds` and is left when it takes
    nothing for `send_seconds`.
    """

    body: int = 8 * 1024 * 1024
    events: int = 10_000
    body_seconds: float = 30
    headers: int = 32 * 1024
    connections: int = 1_000
    queue_events: int = 20_000
    held: int = 64 * 1024 * 1024
    batch: int = 1_000
    portion: int = 200
    undecided_seconds: float = 5
    lag_seconds: float = 60
    streams: int = 100
    heartbeat_seconds: float = 15
    send_seconds: float = 30
    stop_seconds: float = 10
