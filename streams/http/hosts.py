"""A server that asks for no token answers only to its own machine's names: no page of the web may reach it through a name of its own."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from streams.http.problems import Problem, response


def is_loopback(host: str) -> bool:
    """Whether the name or address is of this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """ASGI around the application: a request by another name, or sent by a page from elsewhere, is refused."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or _is_local(scope):
            await self.app(scope, receive, send)
        else:
            await response(Problem(403, "Without tokens the server is for this machine alone; call it by 127.0.0.1 or localhost."))(
                scope, receive, send
            )


def _is_local(scope: Scope) -> bool:
    """By `Host`, and by `Origin` where a browser sends one."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
    named = [f"//{headers.get(b'host', '')}", *([headers[b"origin"]] if b"origin" in headers else [])]
    return all(is_loopback(_host_of(one)) for one in named)


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
