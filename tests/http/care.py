"""A made-up patient whose March is worth one line, and the server's parts put together in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from ledger import Ledger, open_ledger
from streams.http.app import application
from streams.http.limits import Limits
from streams.http.service import Service
from streams.http.tokens import Right, Tokens, make

Json = dict[str, Any]
MONTH = "2026-03"
SIDE = {"program": "CPM", "practitioner_id": "dr-lee"}
START = "2026-03-02T10:00:00-05:00"


def event(identifier: str, kind: str, subject: str, data: Json, tenant: str = "acme", time: str = "2026-03-20T12:00:00Z") -> Json:
    return {
        "specversion": "1.0", "id": identifier, "source": "/ehr/north", "type": f"care.{kind}.v1", "tenant": tenant, "subject": subject,
        "time": time, "data": data,
    }  # fmt: skip


def entry(identifier: str, patient: str, start: str, end: str, tenant: str = "acme") -> Json:
    data = {
        **SIDE, "performer_id": "dr-lee", "site_id": "north", "start": start, "end": end, "activity": "call", "interactive": True,
        "source": "timer",
    }  # fmt: skip
    return event(identifier, "time.logged", patient, data, tenant)


def registry(tenant: str = "acme") -> list[Json]:
    return [
        event("site", "site.registered", "north", {"name": "North", "zone": "America/Chicago", "pos": "11"}, tenant),
        event("lee", "practitioner.registered", "dr-lee", {"role": "physician"}, tenant),
    ]


def patient(name: str = "P-1", tenant: str = "acme", day: int = 2) -> list[Json]:
    """A visit of 35 minutes with consent, a condition, and 15 minutes two hours later: G3002 once and G3003 once."""
    date = f"2026-03-{day:02}"
    visit = {
        "kind": "cpm_initial", "practitioner_id": "dr-lee", "site_id": "north", "start": f"{date}T10:00:00-06:00",
        "end": f"{date}T10:35:00-06:00", "modality": "in_person", "setting": "clinical", "em_billed": False,
    }  # fmt: skip
    pain = {"icd10": "G89.29", "category": "chronic_pain", "at": f"{date}T10:00:00-06:00", "onset": "2025-09-01"}
    return [
        event(f"{name}-consent", "consent.given", name, {**SIDE, "at": f"{date}T10:01:00-06:00", "form": "verbal"}, tenant),
        event(f"{name}-pain", "condition.recorded", name, pain, tenant),
        event(f"{name}-visit", "visit.completed", name, visit, tenant),
        entry(f"{name}-call", name, f"{date}T12:00:00-06:00", f"{date}T12:15:00-06:00", tenant),
    ]


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


class Web:
    """A server in this process, with a client that talks to it without a socket."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = application(service)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=True), base_url="http://localhost")

    @property
    def ledger(self) -> Ledger:
        return self.service.ledger

    async def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        return await self.client.get(path, headers={**_shown(token), **more.pop("headers", {})}, **more)

    async def post(self, content: bytes, token: str | None = None, kind: str = "application/json", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/v1/events", content=content, headers={"Content-Type": kind, **_shown(token), **named})

    async def send(self, events: Sequence[Json], token: str | None = None) -> list[Json]:
        """Post events and give the results; each must have been taken."""
        answered = await self.post(raw(events), token)
        assert answered.status_code == 202, answered.text
        results: list[Json] = answered.json()["results"]
        return results


def _shown(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def web(folder: Path, tokens: Tokens | None = None, kind: type[Ledger] = Ledger, url: str = "", **limits: Any) -> AsyncIterator[Web]:
    """A running server over a ledger in the folder."""
    with open_ledger(url or url_of(folder)) as opened:
        service = Service(kind(opened.engine), tokens, Limits()._replace(**limits))
        made = Web(service)
        async with made.client, service.running():
            yield made


async def until(so: Callable[[], object]) -> None:
    """Let the server work until it is so."""
    while not so():  # noqa: ASYNC110 what is waited for has no event of its own
        await asyncio.sleep(0)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def tokens_of(**tenants: str) -> tuple[Tokens, dict[str, str]]:
    """Tokens by name; what each may is written like `acme beta:read`."""
    entries, shown = [], {}
    for name, said in tenants.items():
        names, _, only = said.partition(":")
        rights: list[Right] = ["read"] if only == "read" else ["write"] if only == "write" else ["read", "write"]
        shown[name], entry = make(name, names.split(), rights)
        entries.append(entry)
    return Tokens(entries), shown
