"""What is read is what the ledger says, within the caller's tenants, and shows what was sent before."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.http.care import MONTH, patient, raw, registry, tokens_of, until, web

BOTH = [*registry(), *patient(), *registry("beta"), *patient("P-1", "beta"), *patient("P-9", "beta", day=5)]
PATIENT_MONTH = f"/v1/patients/P-1/months/{MONTH}"


async def test_who_has_sent_events_finds_their_lines_at_once(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send([*registry(), *patient()])
        answered = await server.get("/v1/lines")
        assert [line["code"] for line in answered.json()] == ["G3002", "G3003"]
        assert answered.json() == server.ledger.lines()
        assert answered.headers["cache-control"] == "no-store"
        assert "caremonth-undecided" not in answered.headers


async def test_lines_are_filtered_and_come_one_a_line_where_asked(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send(BOTH)
        for query, found in {
            "": 6,
            "tenant=beta": 4,
            "tenant=beta&patient=P-9": 2,
            f"month={MONTH}": 6,
            "month=2026-04": 0,
            "tenant=c": 0,
        }.items():
            assert len((await server.get(f"/v1/lines?{query}")).json()) == found
        lines = await server.get("/v1/lines", headers={"Accept": "application/x-ndjson"})
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert len(lines.text.splitlines()) == 6


async def test_an_explanation_is_that_of_the_ledger(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send([*registry(), *patient()])
        for query in ("", "?tenant=acme"):
            answered = await server.get(PATIENT_MONTH + query)
            assert answered.json() == server.ledger.explain("acme", "P-1", MONTH)
        for path in ("/v1/patients/P-2/months/2026-03", f"{PATIENT_MONTH}?tenant=beta", "/v1/patients/P%2F1/months/2026-03"):
            assert (await server.get(path)).status_code == 404


async def test_where_several_tenants_know_the_patient_one_is_to_be_named(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send(BOTH)
        asked = await server.get(PATIENT_MONTH)
        assert (asked.status_code, "tenant" in asked.json()["detail"]) == (400, True)
        assert (await server.get(f"{PATIENT_MONTH}?tenant=beta")).json()["tenant"] == "beta"
        assert (await server.get(f"/v1/patients/P-9/months/{MONTH}")).json()["tenant"] == "beta"


async def test_a_token_reads_its_own_tenants_and_learns_nothing_of_others(tmp_path: Path) -> None:
    tokens, shown = tokens_of(acme="acme", both="acme beta:read", sender="acme:write", every="*")
    async with web(tmp_path, tokens) as server:
        await server.send(BOTH, shown["every"])
        for path in ("/v1/lines", "/v1/alerts", PATIENT_MONTH, "/v1/stream"):
            assert (await server.get(path)).status_code == 401
            assert (await server.get(path, "wrong")).status_code == 401
            assert (await server.get(path, shown["sender"])).status_code == 403
            assert (await server.get(f"{path}?tenant=beta", shown["acme"])).status_code == 403
            assert (await server.get(f"{path}?tenant=nobody", shown["acme"])).status_code == 403
        for path in ("/v1/lines", "/v1/alerts"):
            assert {row["tenant"] for row in (await server.get(path, shown["acme"])).json()} == {"acme"}
            assert {row["tenant"] for row in (await server.get(path, shown["both"])).json()} == {"acme", "beta"}
            assert (await server.get(path, shown["both"])).json() == (await server.get(path, shown["every"])).json()
        assert (await server.get(PATIENT_MONTH, shown["acme"])).json()["tenant"] == "acme"
        there, nowhere = [await server.get(f"/v1/patients/{name}/months/{MONTH}", shown["acme"]) for name in ("P-9", "P-0")]
        assert (there.status_code, there.content) == (404, nowhere.content)


async def test_alerts_go_on_after_a_position(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send(BOTH)
        every = (await server.get("/v1/alerts")).json()
        assert every == server.ledger.alerts()
        first = (await server.get("/v1/alerts?limit=2")).json()
        rest = (await server.get(f"/v1/alerts?after={first[-1]['sequence']}")).json()
        assert first + rest == every


@pytest.mark.parametrize(
    "path",
    [
        "/v1/lines?tenat=acme", "/v1/lines?month=2026-13", "/v1/lines?tenant=Acme", "/v1/lines?patient=Jane%20Doe", "/v1/alerts?after=-1",
        "/v1/alerts?limit=0", "/v1/alerts?after=9223372036854775808", "/v1/patients/P-1/months/march", "/v1/stream?after=x",
        f"{PATIENT_MONTH}?month=2026-03",
    ],
)  # fmt: skip
async def test_a_wrong_or_unknown_parameter_is_refused_without_its_value(tmp_path: Path, path: str) -> None:
    async with web(tmp_path) as server:
        answered = await server.get(path)
        assert (answered.status_code, answered.headers["content-type"]) == (400, "application/problem+json")
        assert not any(word in answered.text for word in ("Jane", "Acme", "2026-13", "march"))


async def test_unknown_pages_and_methods_are_problems_too(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        assert (await server.get("/v1/nothing")).json()["status"] == 404
        refused = await server.client.delete("/v1/lines")
        assert (refused.status_code, refused.json()["status"]) == (405, 405)


async def test_a_read_does_not_wait_for_ever_and_says_what_it_lacks(tmp_path: Path) -> None:
    """Another writer holds the database between taking in and deciding."""
    async with web(tmp_path, undecided_seconds=0.05) as server:
        await server.send(registry())
        await server.get("/v1/lines")
        holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, timeout=60)
        taking = asyncio.create_task(server.send(patient()))
        await until(lambda: server.service.writer.behind_since is not None)
        holder.execute("BEGIN IMMEDIATE")
        answered = await server.get("/v1/lines")
        still = server.service.writer.behind_since is not None
        assert (answered.headers.get("caremonth-undecided") == "true") == still
        holder.execute("ROLLBACK")
        holder.close()
        await taking
        server.service.writer.limits = server.service.limits._replace(undecided_seconds=60)
        assert len((await server.get("/v1/lines")).json()) == 2


async def test_what_an_earlier_run_left_undecided_is_decided_at_the_start(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        read = server.ledger.read([("earlier", raw(one)) for one in [*registry(), *patient()]])
    from ledger import open_ledger

    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.take(read)
        assert ledger.lines() == []
    async with web(tmp_path) as server:
        assert len((await server.get("/v1/lines")).json()) == 2
