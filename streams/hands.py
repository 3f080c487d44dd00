"""Hands: threads that each work with a tool of their own, one thing after the other, while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
Tool = TypeVar("Tool")


class Hand(Generic[Tool]):
    """One thread; `part` names it to whoever watches."""

    def __init__(self, part: str, tool: Tool) -> None:
        self.part = part
        self.tool = tool
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=part)

    async def do(self, call: Callable[..., T], *arguments: object) -> T:
        """Do it on the thread, after what may be under way there."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    async def stop(self) -> None:
        """Let what is under way end, and the thread go."""
        await self.do(lambda: None)
        self._thread.shutdown(wait=True)
