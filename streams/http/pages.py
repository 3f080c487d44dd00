"""Two plain pages, for people: what is here, and the interface read from its own description. No script, nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733;background:#fff}
h2{margin-top:2.2rem;border-top:1px solid #d7dde3;padding-top:1rem;font-size:1.1rem}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f3f5f7;border-radius:3px;padding:.1em .3em}
pre{padding:.8em;overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem 0}
th{font-weight:600;font-size:.85rem;color:#51606f}.verb{font-weight:700;color:#0b5d8f}
@media(prefers-color-scheme:dark){body{color:#dbe3ea;background:#12181f}code,pre{background:#1d2630}h2{border-color:#2d3945}
th{color:#9fb0c0}.verb,a{color:#7cc4f0}}
"""
_STYLE_DIGEST: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_LINKS: Final = {
    "/docs": "the interface, for people",
    "/openapi.json": "the interface, for programs",
    "/healthz": "whether it is alive",
    "/readyz": "whether it is ready",
    "/metrics": "its figures",
}


def routes(app: FastAPI) -> APIRouter:
    """The routes; the page of the interface is made from the application's own description."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    async def get_index() -> HTMLResponse:
        links = "".join(f'<tr><td><a href="{path}">{path}</a><td>{what}' for path, what in _LINKS.items())
        return page("caremonth", f"<h1>caremonth</h1><table>{links}</table>")

    @router.get("/docs", response_class=HTMLResponse)
    async def get_docs() -> HTMLResponse:
        return page("caremonth: the interface", "".join(interface(app.openapi())))

    return router


def page(title: str, body: str) -> HTMLResponse:
    """A page under a policy that lets nothing in but its own style."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    text = f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>'
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})


def interface(description: dict[str, Any]) -> Iterator[str]:
    """The OpenAPI description as HTML."""
    about = description["info"]
    yield f"<h1>{escape(about['title'])} {escape(about['version'])}</h1><p>{escape(about.get('description', ''))}</p>"
    yield '<p>For programs: <a href="/openapi.json">openapi.json</a>'
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<h2><span class="verb">{escape(method.upper())}</span> <code>{escape(path)}</code></h2>'
    yield f"<p>{escape(operation.get('description', ''))}</p>"
    kinds = operation.get("requestBody", {}).get("content", {})
    if kinds:
        yield f"<p>Body: {', '.join(f'<code>{escape(kind)}</code>' for kind in kinds)}</p>"
    parameters = [(p["name"], p["in"], p.get("description") or p["schema"].get("description", "")) for p in operation.get("parameters", ())]
    yield from _table(("parameter", "in", "meaning"), parameters)
    yield from _table(("status", "meaning"), [(status, answer.get("description", "")) for status, answer in operation["responses"].items()])


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"<table><tr>{''.join(f'<th>{escape(heading)}' for heading in headings)}"
        yield from (f"<tr><td><code>{escape(first)}</code>{''.join(f'<td>{escape(cell)}' for cell in rest)}" for first, *rest in rows)
        yield "</table>"
