"""Health, figures, logs and pages: they tell of the server and of nobody else."""

import io
import json
import logging
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from streams.http import logs
from tests.http.care import MONTH, Web, patient, raw, registry, until, web
from tests.http.test_intake import GOOD, Faulty

SECRET = "P-maple-4711"
ROUTES = {
    "/v1/events": "post", "/v1/lines": "get", "/v1/patients/{patient}/months/{month}": "get", "/v1/alerts": "get", "/v1/stream": "get",
    "/healthz": "get", "/readyz": "get", "/metrics": "get",
}  # fmt: skip


@pytest.fixture
def told() -> Iterator[io.StringIO]:
    """What the server writes to its log."""
    stream, handlers = io.StringIO(), logging.root.handlers[:]
    level = logging.root.level
    logs.configure(stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


async def busy_with(server: Web) -> None:
    """One request of every kind, good and bad, about one patient."""
    await server.send([*registry(), *patient(SECRET)])
    await server.post(raw({**GOOD, "subject": SECRET, "data": {SECRET: SECRET}}))
    await server.post(f'{{"subject":"{SECRET}'.encode())
    await server.post(raw({**GOOD, "id": "poison", "subject": SECRET}))
    for path in (
        f"/v1/patients/{SECRET}/months/{MONTH}",
        f"/v1/lines?patient={SECRET}",
        f"/v1/{SECRET}",
        f"/v1/lines?{SECRET}=1",
        "/v1/alerts",
    ):
        await server.get(path)


async def test_logs_and_figures_name_no_patient(tmp_path: Path, told: io.StringIO) -> None:
    async with web(tmp_path, kind=Faulty) as server:
        await busy_with(server)
        figures = (await server.get("/metrics")).text
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert SECRET not in told.getvalue() + figures
    assert {line["route"] for line in lines if line["event"] == "request"} >= {
        "/v1/events",
        "/v1/patients/{patient}/months/{month}",
        "(none)",
    }
    assert [line["error"] for line in lines if line["event"] == "batch failed"] == ["ZeroDivisionError"]
    assert "acme" not in figures


async def test_figures_count_outcomes_reasons_and_routes(tmp_path: Path) -> None:
    async with web(tmp_path, kind=Faulty) as server:
        await busy_with(server)
        figures = (await server.get("/metrics")).text
        for line in (
            'caremonth_events_total{outcome="accepted"} 6.0', 'caremonth_dead_letters_total{reason="invalid_json"} 1.0',
            'caremonth_dead_letters_total{reason="invalid_data"} 1.0', "caremonth_dead_letters_parked 2.0", "caremonth_undecided 0.0",
            'caremonth_troubles_total{where="taking"} 1.0', f"caremonth_outbox_sequence {len(list(server.ledger.events()))}.0",
            'caremonth_http_requests_total{method="GET",route="(none)",status="404"} 1.0',
        ):  # fmt: skip
            assert line in figures


async def test_it_is_ready_while_its_ledger_answers_at_its_schema(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        assert (await server.get("/healthz")).json() == {"status": "alive"}
        assert (await server.get("/readyz")).json()["checks"] == dict.fromkeys(("database", "schema", "writer", "queue", "deciding"), "ok")
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        answered = await server.get("/readyz")
        assert (answered.status_code, answered.json()["ready"]) == (503, False)
        assert answered.json()["checks"]["schema"] != "ok"
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("DROP TABLE alembic_version")
        assert (await server.get("/readyz")).json()["checks"]["database"] != "ok"
        assert (await server.get("/healthz")).status_code == 200


async def test_deciding_that_fails_is_told_and_taking_in_goes_on(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        await server.send(registry())
        assert await server.service.writer.decided()
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("ALTER TABLE lines RENAME TO away")
        await server.send(patient("P-1"))
        await until(lambda: server.service.writer.trouble)
        assert (await server.get("/readyz")).json()["checks"]["deciding"] == "it fails"
        assert [one["status"] for one in await server.send(patient("P-2", day=4))] == ["accepted"] * 4
        with sqlite3.connect(tmp_path / "ledger.db") as connection:
            connection.execute("ALTER TABLE away RENAME TO lines")
        assert len((await server.get("/v1/lines")).json()) == 4
        assert (await server.get("/readyz")).json()["ready"]


async def test_the_trace_of_a_request_is_in_its_log_line(tmp_path: Path, told: io.StringIO) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with web(tmp_path) as server:
        await server.post(raw(GOOD), traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert json.loads(told.getvalue().splitlines()[0])["trace_id"] == trace


def test_what_libraries_log_loses_its_values_and_error_texts(told: io.StringIO) -> None:
    logging.getLogger("some.library").error("no luck with %s", SECRET, exc_info=ValueError(SECRET))
    logging.getLogger("asyncio").error("it failed\nfuture: %s", SECRET)
    logging.getLogger("some.library").info("chatter %s", SECRET)
    first, second = [json.loads(line) for line in told.getvalue().splitlines()]
    assert (first["template"], first["error"], second["template"]) == ("no luck with %s", "ValueError", "it failed")
    assert SECRET not in told.getvalue()


def test_logs_go_to_stderr_where_nothing_else_is_said(told: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure()
    logs.log.info("here")
    assert (json.loads(stderr.getvalue())["event"], told.getvalue()) == ("here", "")


async def test_the_interface_describes_every_route_of_the_contract(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        paths = (await server.get("/openapi.json")).json()["paths"]
        assert {path: next(iter(methods)) for path, methods in paths.items()} == ROUTES
        page = await server.get("/docs")
        assert all(path in page.text for path in ROUTES)
        body = paths["/v1/events"]["post"]["requestBody"]["content"]
        assert set(body) == {
            "application/json",
            "application/cloudevents+json",
            "application/cloudevents-batch+json",
            "application/x-ndjson",
        }
        assert "security" in paths["/v1/lines"]["get"]


async def test_pages_take_nothing_from_elsewhere_and_run_nothing(tmp_path: Path) -> None:
    async with web(tmp_path) as server:
        for path in ("/", "/docs"):
            page = await server.get(path)
            assert page.status_code == 200
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert not re.search(r"<script|<link|src=|//[a-z]", page.text)
        assert "default-src 'none'" in (await server.get("/v1/lines")).headers["content-security-policy"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": ""}, {"Origin": "https://evil.example"}, {"Host": "10.0.0.1:8080"}])
async def test_without_tokens_no_page_from_elsewhere_may_call(tmp_path: Path, headers: dict[str, str]) -> None:
    async with web(tmp_path) as server:
        assert (await server.get("/v1/lines", headers=headers)).status_code == 403
        for host in ("127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:1"):
            assert (await server.get("/v1/lines", headers={"Host": host, "Origin": f"http://{host}"})).status_code == 200
