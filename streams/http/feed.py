"""Decisions as server-sent events, page by page from the outbox: a slow listener costs a page of memory and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

import orjson
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ledger import LedgerError, condition, reading
from streams.http.logs import kind_of, log
from streams.http.reader import Reader

PAGE: Final = 200
POLL_SECONDS: Final = 1.0
"""How often the outbox is looked at for decisions that another process made."""
_HELLO: Final = b"retry: 2000\n: caremonth\n\n"
_BEAT: Final = b": still here\n\n"


class Wanted(NamedTuple):
    """What a listener wants: decisions after a position, of tenants (None: all) and types (none: all)."""

    after: int
    tenants: Sequence[str] | None
    types: Sequence[str]


class Feed:
    """Knows how far the outbox goes and wakes those who listen when it grew."""

    def __init__(self, reader: Reader, heartbeat: float) -> None:
        self.reader = reader
        self.heartbeat = heartbeat
        self.last = 0
        self.listeners = 0
        self.stopping = False
        self._look = asyncio.Event()
        self._grown = asyncio.Event()

    def grown(self) -> None:
        """Say that this process decided something."""
        self._look.set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count a listener for as long as it is there."""
        self.listeners += 1
        self._look.set()
        try:
            yield
        finally:
            self.listeners -= 1

    def stop(self) -> None:
        """End all streams."""
        self.stopping = True
        self._wake_all()

    async def watch(self) -> None:
        """Follow the outbox for as long as the server runs."""
        while True:
            # Not wait_for: before Python 3.12 it may swallow the cancellation that ends this.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._look.wait()
            self._look.clear()
            if self.listeners:
                await self._update()

    async def _update(self) -> None:
        try:
            last = await self.reader(lambda ledger: condition.position(ledger.engine))
        except LedgerError as error:
            log.warning("outbox not read", **kind_of(error))
            return
        if last > self.last:
            self.last = last
            self._wake_all()

    def _wake_all(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def told(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The stream of one listener; it ends when the server stops."""
        yield _HELLO
        position = wanted.after
        while not self.stopping:
            grown = self._grown
            if position >= self.last:
                if not await self._wait(grown):
                    yield _BEAT
                continue
            try:
                position, told = await self._page(wanted, position)
            except LedgerError as error:
                log.warning("stream ended", **kind_of(error))
                return
            if told:
                yield told

    async def _page(self, wanted: Wanted, position: int) -> tuple[int, bytes]:
        """The next page after a position, and where it ends; other tenants' decisions are passed over and not read twice."""
        until = self.last
        rows = await self.reader(lambda ledger: reading.page(ledger.engine, position, wanted.types, wanted.tenants, PAGE))
        reached = rows[-1]["sequence"] if len(rows) == PAGE else max(until, *(row["sequence"] for row in rows), 0)
        return reached, b"".join(frames(rows))

    async def _wait(self, grown: asyncio.Event) -> bool:
        """False where nothing was decided for as long as a listener may be left without a sign of life."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.heartbeat):
                await grown.wait()
        return grown.is_set()


def frames(rows: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    """Each decision as one event of the stream: its position as `id`, the CloudEvent as `data`."""
    for row in rows:
        yield b"id: %d\ndata: %b\n\n" % (row["sequence"], orjson.dumps(row))


class Stream(StreamingResponse):
    """The response that carries a stream; a listener that takes nothing for `seconds` is left."""

    media_type: str = "text/event-stream"

    def __init__(self, feed: Feed, wanted: Wanted, seconds: float) -> None:
        super().__init__(feed.told(wanted), headers={"X-Accel-Buffering": "no"})
        self.feed = feed
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it for as long as somebody listens."""
        with self.feed.listening():
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send it part by part."""

        async def patient(message: Message) -> None:
            async with asyncio.timeout(self.seconds):
                await send(message)

        with suppress(TimeoutError):
            await super().stream_response(patient)
