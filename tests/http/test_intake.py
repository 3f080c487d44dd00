"""`POST /v1/events`: each event has its outcome, in order; what is refused whole takes nothing in."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ledger import Claim, Ledger, open_ledger
from ledger.arrivals import Arrival, Fate, Parked
from tests.http.care import Json, entry, event, patient, raw, registry, tokens_of, until, url_of, web

GOOD = entry("e-1", "P-1", "2026-03-02T10:00:00-06:00", "2026-03-02T10:20:00-06:00")


def accepted(folder: Path) -> int:
    with sqlite3.connect(folder / "ledger.db") as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


async def test_results_come_one_an_event_in_order(tmp_path: Path) -> None:
    other = {**GOOD, "subject": "P-2"}
    broken = b'{"id":"e-9","source":"/ehr/north","tenant":"acme","tenant":"acme"}'
    body = b"[" + b", ".join([raw(GOOD), broken, raw(GOOD), raw(other), raw({**GOOD, "id": "e-2"}), b'"text"']) + b"]"
    async with web(tmp_path) as server:
        answered = await server.post(body)
        assert answered.status_code == 202
        results = answered.json()["results"]
        assert [one["status"] for one in results] == ["accepted", "dead_letter", "duplicate", "dead_letter", "accepted", "dead_letter"]
        assert [one["id"] for one in results] == ["e-1", "e-9", "e-1", "e-1", "e-2", None]
        assert [one.get("reason") for one in results] == [None, "invalid_json", None, "id_reused", None, "invalid_json"]
        assert "key tenant twice" in results[1]["message"]
        letters = server.ledger.dead_letters()
        assert [letter["raw"].encode() for letter in letters] == [broken, raw(other), b'"text"']
        assert [letter["id"] for letter in letters] == [one["dead_letter"] for one in results if one["status"] == "dead_letter"]


async def test_one_object_is_one_event_and_again_a_duplicate(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        for status in ("accepted", "duplicate"):
            answered = await server.post(raw(GOOD), kind="application/cloudevents+json")
            assert answered.json() == {"results": [{"id": "e-1", "source": "/ehr/north", "status": status}]}


async def test_a_dead_letter_tells_id_and_source_where_they_can_be_read_and_no_value(tmp_path: Path) -> None:
    wrong = {**GOOD, "data": {**GOOD["data"], "activity": 7, "Jane": "Doe"}}
    async with web(tmp_path) as server:
        (result,) = await server.send([wrong])
        assert (result["id"], result["source"], result["reason"]) == ("e-1", "/ehr/north", "invalid_data")
        assert "Doe" not in result["message"]


async def test_a_body_that_is_no_json_is_parked_whole_and_once(tmp_path: Path) -> None:
    body = b"[" + raw(GOOD) + b", {"
    async with web(tmp_path) as server:
        for _ in range(3):
            (result,) = (await server.post(body)).json()["results"]
            assert (result["status"], result["reason"], result["id"]) == ("dead_letter", "invalid_json", None)
        (letter,) = server.ledger.dead_letters()
        assert letter["raw"].encode() == body
        assert letter["origin"] == "POST /v1/events"
        assert accepted(tmp_path) == 0


async def test_an_event_over_one_mebibyte_is_parked_and_the_others_count(tmp_path: Path) -> None:
    large = {**GOOD, "id": "large", "note": "x" * 1_048_576}
    async with web(tmp_path) as server:
        first, second = await server.send([large, GOOD])
        assert (first["reason"], second["status"]) == ("too_large", "accepted")


async def test_limits_refuse_the_whole_request(tmp_path: Path) -> None:
    async with web(tmp_path, body=2_000, events=3) as server:
        too_long, too_many = await server.post(raw({**GOOD, "note": "x" * 2_000})), await server.post(b"[1,2,3,4]")
        assert (too_long.status_code, too_many.status_code) == (413, 413)
        assert too_long.headers["content-type"] == "application/problem+json"
        assert "2000 bytes" in too_long.json()["detail"]
        assert "3 events" in too_many.json()["detail"]
        assert server.ledger.dead_letters() == []
        assert server.service.held == 0


async def test_nothing_is_no_event(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        assert (await server.post(b"")).status_code == 400
        assert (await server.post(raw(GOOD), kind="text/plain")).status_code == 415
        assert (await server.post(b"[]")).json() == {"results": []}


async def test_a_token_writes_its_own_tenants_and_nothing_of_a_request_beyond(tmp_path: Path) -> None:
    tokens, shown = tokens_of(acme="acme", both="acme beta", every="*", reader="acme:read")
    mixed = [GOOD, {**GOOD, "tenant": "beta"}]
    async with web(tmp_path, tokens) as server:
        for token, status in ((None, 401), ("nonsense", 401), (shown["reader"], 403), (shown["acme"], 403)):
            answered = await server.post(raw(mixed), token)
            assert answered.status_code == status
            assert ("www-authenticate" in answered.headers) == (status == 401)
        parked = await server.post(raw([GOOD, {"tenant": "beta", "id": "half an event"}]), shown["acme"])
        assert parked.status_code == 403
        assert (accepted(tmp_path), server.ledger.dead_letters()) == (0, [])
        assert [one["status"] for one in await server.send(mixed, shown["both"])] == ["accepted", "accepted"]
        assert [one["status"] for one in await server.send([GOOD], shown["acme"])] == ["duplicate"]
        assert [one["status"] for one in await server.send([{**GOOD, "tenant": "gamma"}], shown["every"])] == ["accepted"]
        await server.post(b"broken", shown["acme"])
        assert [letter["origin"] for letter in server.ledger.dead_letters()] == ["POST /v1/events acme"]


async def test_the_same_event_from_many_at_once_is_accepted_once(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        answers = await asyncio.gather(*(server.send([GOOD, entry(f"n-{n}", "P-1", *_span(n))]) for n in range(30)))
        assert sorted(one["status"] for one, _ in answers) == ["accepted"] + ["duplicate"] * 29
        assert {own["status"] for _, own in answers} == {"accepted"}
        figures = (await server.get("/metrics")).text
        assert "caremonth_batch_events_sum 60.0" in figures
        assert 'caremonth_events_total{outcome="accepted"} 31.0' in figures
        assert 'caremonth_events_total{outcome="duplicate"} 29.0' in figures


def _span(number: int) -> tuple[str, str]:
    return f"2026-03-03T{number % 20:02}:00:00Z", f"2026-03-03T{number % 20:02}:10:00Z"


async def test_when_too_much_waits_callers_are_told_to_come_again(tmp_path: Path) -> None:
    """The database is held, so that what is posted stays in the queue."""
    async with web(tmp_path, queue_events=2) as server:
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        taken = [asyncio.create_task(server.send([{**GOOD, "id": "q-0"}]))]
        await until(lambda: server.service.writer.queued_events and not server.service.writer._jobs)  # the first is being taken in
        taken.append(asyncio.create_task(server.send([{**GOOD, "id": "q-1"}])))
        await until(lambda: server.service.writer.queued_events >= 2)
        assert not (await server.get("/readyz")).json()["ready"]
        refused = await server.post(raw([{**GOOD, "id": "q-2"}]))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        holder.execute("ROLLBACK")
        holder.close()
        assert [one["status"] for (one,) in await asyncio.gather(*taken)] == ["accepted", "accepted"]
        assert accepted(tmp_path) == 2
        assert "caremonth_intake_refused_total 1.0" in (await server.get("/metrics")).text


async def test_requests_that_are_still_arriving_count_too(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"[" + b" " * 600
        began.set()
        await go_on.wait()
        yield b"]"

    async with web(tmp_path, held=1_000) as server:
        slow = asyncio.create_task(server.client.post("/v1/events", content=slowly(), headers={"Content-Type": "application/json"}))
        await began.wait()
        refused = await server.post(raw({**GOOD, "note": "x" * 600}))
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        go_on.set()
        assert (await slow).status_code == 202
        assert server.service.held == 0


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"["
        await asyncio.Event().wait()

    async with web(tmp_path, body_seconds=0.01) as server:
        answered = await server.client.post("/v1/events", content=never(), headers={"Content-Type": "application/json"})
        assert answered.status_code == 408
        assert server.service.held == 0


async def test_a_ledger_that_cannot_be_written_is_told_and_served_again_later(tmp_path: Path) -> None:
    async with web(tmp_path, url=f"{url_of(tmp_path)}?timeout=0.05") as server:
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = await server.post(raw(GOOD))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        holder.execute("ROLLBACK")
        holder.close()
        assert [one["status"] for one in await server.send([GOOD])] == ["accepted"]


class Faulty(Ledger):
    """A ledger that breaks over one event, as a fault of the program would have it."""

    def take(self, read: Sequence[Arrival | Parked], claim: Claim | None = None, *, at_once: bool = False) -> list[Fate]:
        if any(isinstance(one, Arrival) and one.event.id == "poison" for one in read):
            raise ZeroDivisionError("P-1 divided")
        return super().take(read, claim, at_once=at_once)


async def test_a_fault_over_one_request_is_not_the_others(tmp_path: Path) -> None:
    async with web(tmp_path, kind=Faulty) as server:
        requests = [raw({**GOOD, "id": name}) for name in ("a", "poison", "b", "c")]
        answers = await asyncio.gather(*(server.post(request) for request in requests))
        assert [one.status_code for one in answers] == [202, 500, 202, 202]
        assert "P-1" not in answers[1].text
        assert accepted(tmp_path) == 3


async def test_a_caller_who_leaves_does_not_take_the_event_along(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        leaving = asyncio.create_task(server.post(raw(GOOD)))
        await until(lambda: server.service.writer.queued_events)
        leaving.cancel()
        holder.execute("ROLLBACK")
        holder.close()
        assert [one["status"] for one in await server.send([GOOD])] == ["duplicate"]


async def test_what_was_taken_is_finished_when_the_server_stops(tmp_path: Path) -> None:
    events: list[Json] = [*registry(), *patient()]
    async with web(tmp_path) as server:
        sending = asyncio.create_task(server.send(events))
        await until(lambda: server.service.writer.queued_events)
        await server.service.writer.stop()
        assert {one["status"] for one in await sending} == {"accepted"}
        late = await server.post(raw(GOOD))
        assert (late.status_code, "retry-after" in late.headers) == (503, True)
    with open_ledger(url_of(tmp_path)) as ledger:
        assert [line["code"] for line in ledger.lines()] == ["G3002", "G3003"]
        assert ledger.verify() == []


async def test_a_close_in_a_batch_binds_what_came_before_it(tmp_path: Path) -> None:
    close = event(
        "close", "month.closed", "acme", {"month": "2026-03", "at": "2026-04-02T00:00:00Z", "by": "Ann"}, time="2026-04-02T00:00:00Z"
    )
    async with web(tmp_path) as server:
        await server.send([*registry(), *patient(), close])
        assert {line["status"] for line in (await server.get("/v1/lines")).json()} == {"closed"}


@pytest.mark.parametrize(
    "body", [b'"\\ud800"', b"\x00", b"[" * 5_000 + b"]" * 5_000, b"1e999", b"\xff\xfe{", b'{"tenant":"acme"}', b"null"]
)
async def test_whatever_comes_is_parked_with_its_bytes(tmp_path: Path, body: bytes) -> None:
    async with web(tmp_path) as server:
        answered = await server.post(body)
        assert answered.status_code == 202
        assert {one["status"] for one in answered.json()["results"]} == {"dead_letter"}
        assert len(server.ledger.dead_letters()) == len(answered.json()["results"])
