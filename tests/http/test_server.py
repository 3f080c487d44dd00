"""The server as a process: what was answered outlives it, it stops when asked, and refuses to start where it should not."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ledger import open_ledger
from tests.http.care import MONTH, entry, patient, raw, registry, url_of
from tests.http.running import command, serving


def test_what_was_answered_with_202_is_there_after_a_kill(tmp_path: Path) -> None:
    sent: list[str] = []
    for round_ in range(3):
        with serving(tmp_path) as server:
            first = [*registry(), *patient()] if not round_ else []
            batch = [
                *first,
                *(entry(f"e-{round_}-{n}", "P-1", f"2026-03-{n + 3:02}T09:00:00Z", f"2026-03-{n + 3:02}T09:01:00Z") for n in range(9)),
            ]
            assert server.post(raw(batch)).status_code == 202
            assert server.end(signal.SIGKILL) == -signal.SIGKILL
            sent += [one["id"] for one in batch]
    with serving(tmp_path) as server:
        results = server.post(raw([*registry(), *patient()])).json()["results"]
        assert {one["status"] for one in results} == {"duplicate"}
        assert [line["code"] for line in server.client.get("/v1/lines").json()] == ["G3002", "G3003"]
        assert server.end(signal.SIGTERM) == 0
    with open_ledger(url_of(tmp_path)) as ledger:
        assert ledger.verify() == []
        assert ledger.ingest([("again", raw(one)) for one in [*registry(), *patient()]]).accepted == 0
        with ledger.engine.connect() as connection:
            assert {row[0] for row in connection.exec_driver_sql("SELECT id FROM events")} == set(sent)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_streams_and_connections_and_the_process_with_0(tmp_path: Path, sign: signal.Signals) -> None:
    with serving(tmp_path) as server, server.client.stream("GET", "/v1/stream") as stream:
        parts = stream.iter_bytes()
        assert next(parts).startswith(b"retry:")
        assert server.end(sign) == 0
        assert b"".join(parts) == b""
        assert server.logged[-1]["event"] == "stopped"


def test_a_stream_tells_decisions_as_they_are_made_and_resumes(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        with server.client.stream("GET", "/v1/stream", params={"type": "billing.line.ready.v1"}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            server.post(raw([*registry(), *patient()]))
            first = next(json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        with server.client.stream("GET", "/v1/stream?after=0", headers={"Last-Event-ID": str(first["sequence"])}) as stream:
            after = next(json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: "))
        assert after["sequence"] == first["sequence"] + 1


def test_the_example_of_a_binary_event_and_a_month_over_a_socket(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        one = patient()[1]
        headers = {f"ce-{name}": value for name, value in one.items() if name != "data"}
        assert server.post(raw(one["data"]), **headers).json()["results"][0]["status"] == "accepted"
        assert server.post(raw([*registry(), *patient()])).json()["results"][3]["status"] == "duplicate"
        month = server.client.get(f"/v1/patients/P-1/months/{MONTH}", params={"tenant": "acme"}).json()
        assert month["programs"][0]["counted_seconds"] == 50 * 60


def test_a_body_over_the_limit_is_read_to_its_end_and_refused(tmp_path: Path) -> None:
    with serving(tmp_path, ["--max-body", "100000"]) as server:
        assert server.post(b"[" + b" " * 500_000 + b"]").status_code == 413
        assert server.post(b"[]").status_code == 202


def test_without_tokens_it_warns_and_with_them_it_asks(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"
    made = subprocess.run(
        [sys.executable, "-m", "caremonth", "tokens", "new", "--tokens", tokens, "acme"], capture_output=True, text=True, check=True
    )
    with serving(tmp_path) as server:
        assert server.logged[0]["level"] == "warning"
        assert "no tokens" in server.logged[0]["event"]
    with serving(tmp_path, ["--tokens", str(tokens), "--host", "0.0.0.0"]) as server:  # noqa: S104 that is what is tried
        port = server.client.base_url.port
        server.client.base_url = f"http://127.0.0.1:{port}"
        assert server.client.get("/v1/lines").status_code == 401
        assert server.client.get("/v1/lines", headers={"Authorization": f"Bearer {made.stdout.strip()}"}).status_code == 200
        assert server.client.get("/healthz").status_code == 200
        assert not [line for line in server.logged if line["level"] == "warning"]


def refusal(folder: Path, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAREMONTH_")}
    ran = subprocess.run([*command(folder), *words], capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    return ran.stderr


def test_where_it_should_not_or_cannot_listen_it_says_why(tmp_path: Path) -> None:
    assert "without tokens the server listens on this machine only" in refusal(tmp_path, "--host", "0.0.0.0")  # noqa: S104
    assert "without tokens" in refusal(tmp_path, "--host", "example.org")
    assert "in memory cannot be served" in refusal(tmp_path, "--db", "sqlite://")
    assert "cannot be read" in refusal(tmp_path, "--tokens", str(tmp_path / "none"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is not to be had" in refusal(tmp_path, "--port", str(taken.getsockname()[1]))


def test_headers_too_large_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        try:
            status = server.client.get("/healthz", headers={"X-Long": "x" * 200_000}).status_code
        except httpx.TransportError:  # the connection may be gone before all was sent
            status = 400
        assert status == 400
        assert server.client.get("/healthz").status_code == 200
