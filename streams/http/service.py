"""What the routes share: the ledger's writer and reader, the feed, who may do what, limits and figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request

from ledger import Ledger
from streams.http.feed import Feed
from streams.http.limits import Limits
from streams.http.metrics import Metrics
from streams.http.problems import Problem
from streams.http.reader import Reader
from streams.http.tokens import OPEN, Access, Right, Tokens
from streams.http.writer import Writer


class Service:
    """One server over one ledger. `tokens` is None where it asks for none."""

    def __init__(self, ledger: Ledger, tokens: Tokens | None, limits: Limits) -> None:
        self.ledger = ledger
        self.tokens = tokens
        self.limits = limits
        self.metrics = Metrics()
        self.reader = Reader(ledger, 4)
        self.validator = Reader(ledger, 2)
        self.feed = Feed(self.reader, limits.heartbeat_seconds)
        self.writer = Writer(ledger, limits, self.metrics, self.feed.grown)
        self.held = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work from start to stop; when it ends, all that was taken in is committed."""
        await self.reader(lambda ledger: ledger.rulebook)
        self.writer.start()
        watching = asyncio.create_task(self.feed.watch())
        try:
            yield
        finally:
            self.feed.stop()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self.writer.stop()

    def access(self, request: Request, right: Right) -> Access:
        """What the caller may do; Problem 401 without a known token, 403 without the right."""
        access = OPEN if self.tokens is None else self.tokens.access(request.headers.get("authorization"))
        access.require(right)
        return access

    def reach(self, request: Request, tenant: str | None) -> list[str] | None:
        """The tenants a read is about: the one named, else all the caller's; None for every tenant there is. Problem 403 beyond them."""
        access = self.access(request, "read")
        if tenant is not None:
            if not access.covers(tenant):
                raise Problem(403, "This token has no right to this tenant; use one that has it.")
            return [tenant]
        return None if access.tenants is None else sorted(access.tenants)
