"""Decisions as they are made: in order, resumable, within the caller's tenants, never more than a page in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger import open_ledger
from streams.http import feed as feeds
from streams.http.feed import Wanted
from tests.http.care import Json, Web, patient, raw, registry, until, url_of, web

PATIENTS = [one for n in range(1, 8) for one in patient(f"P-{n}", day=n)]
OTHERS = [one for n in range(1, 8) for one in patient(f"P-{n}", "beta", day=n)]


async def heard(parts: AsyncIterator[bytes], count: int) -> list[Json]:
    """So many decisions from a stream."""
    found: list[Json] = []
    async for part in parts:
        found += decisions(part)
        if len(found) >= count:
            break
    return found[:count]


def decisions(part: bytes) -> list[Json]:
    """The decisions in a part of a stream, whose ids must be their positions."""
    found = []
    for block in part.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":"))
        if "data" in fields:
            found.append(json.loads(fields["data"]))
            assert int(fields["id"]) == found[-1]["sequence"]
    return found


async def filled(server: Web) -> list[Json]:
    await server.send([*registry(), *PATIENTS, *registry("beta"), *OTHERS])
    assert await server.service.writer.decided()
    return list(server.ledger.events())


async def test_a_stream_tells_the_outbox_and_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAGE", 3)
    async with web(tmp_path) as server:
        every = await filled(server)
        with server.service.feed.listening():
            assert await heard(server.service.feed.told(Wanted(0, None, ())), len(every)) == every
            after = every[4]["sequence"]
            assert await heard(server.service.feed.told(Wanted(after, None, ())), len(every) - 5) == every[5:]


async def test_a_stream_is_of_the_tenants_and_types_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAGE", 3)
    async with web(tmp_path) as server:
        every = await filled(server)
        ready = "billing.line.ready.v1"
        wanted = [one for one in every if one["tenant"] == "beta" and one["type"] == ready]
        assert len(wanted) == 14
        with server.service.feed.listening():
            assert await heard(server.service.feed.told(Wanted(0, ["beta"], [ready])), 14) == wanted


async def test_a_listener_hears_what_is_decided_later_here_or_by_another_process(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        with server.service.feed.listening():
            stream = server.service.feed.told(Wanted(0, None, ["billing.line.ready.v1"]))
            assert await anext(stream) == b"retry: 2000\n: caremonth\n\n"
            hearing = asyncio.create_task(heard(stream, 2))
            await server.send([*registry(), *patient("P-1")])
            assert {one["subject"] for one in await hearing} == {"P-1"}
            hearing = asyncio.create_task(heard(stream, 2))
            await asyncio.to_thread(_ingest_elsewhere, tmp_path)
            assert {one["subject"] for one in await hearing} == {"P-2"}
            await stream.aclose()  # type: ignore[attr-defined]


def _ingest_elsewhere(folder: Path) -> None:
    with open_ledger(url_of(folder)) as ledger:
        ledger.ingest(("elsewhere", raw(one)) for one in patient("P-2", day=4))


async def test_who_hears_nothing_else_hears_a_sign_of_life(tmp_path: Path) -> None:
    async with web(tmp_path, heartbeat_seconds=0.01) as server:
        stream = server.service.feed.told(Wanted(0, None, ()))
        assert [(await anext(stream))[:1] for _ in range(3)] == [b"r", b":", b":"]


async def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        listening = [asyncio.create_task(server.get("/v1/stream")) for _ in range(3)]
        await until(lambda: server.service.feed.listeners == 3)
        server.service.feed.stop()
        for answered in await asyncio.gather(*listening):
            assert (answered.status_code, answered.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert server.service.feed.listeners == 0


async def test_no_more_listen_than_may(tmp_path: Path) -> None:
    async with web(tmp_path, streams=1) as server:
        first = asyncio.create_task(server.get("/v1/stream"))
        await until(lambda: server.service.feed.listeners)
        refused = await server.get("/v1/stream")
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        server.service.feed.stop()
        await first


@pytest.mark.parametrize("wrong", ["x", "-1", "9" * 30, "\u00b2"])
async def test_what_is_no_position_is_refused(tmp_path: Path, wrong: str) -> None:
    async with web(tmp_path) as server:
        assert (await server.get("/v1/stream", headers={"Last-Event-ID": wrong.encode()})).status_code == 400


async def test_a_listener_who_takes_nothing_is_left(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await filled(server)
        stream = feeds.Stream(server.service.feed, Wanted(0, None, ()), 0.01)

        async def stuck(_message: object) -> None:
            await asyncio.Event().wait()

        async def silent() -> Json:
            await asyncio.Event().wait()
            raise AssertionError

        await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, silent, stuck)
        assert server.service.feed.listeners == 0
