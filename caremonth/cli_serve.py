"""`serve` and `tokens`: putting the HTTP server together, and making the tokens it asks for."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, NamedTuple

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import put, put_json

if TYPE_CHECKING:
    from socket import socket

    from streams.http.tokens import Right, Tokens

_MEMORY = (":memory:", "")


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def url(self, port: int) -> str:
        """As a client writes it, with the port that was had."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{port}"


def serve(settings: Settings, address: Address, tokens: Path | None, max_body: int, max_events: int) -> None:
    """Serve the ledger until a signal asks to stop. RefusedError where it may not, or cannot, be served there."""
    known = tokens_for(address, tokens)
    _require_shareable(settings)
    from streams.http import logs, server
    from streams.http.app import application
    from streams.http.limits import Limits
    from streams.http.service import Service

    logs.configure()
    with opened(settings, create=True) as ledger, _bound(address) as listening:
        rules = ledger.rulebook.id
        service = Service(ledger, known, Limits()._replace(body=max_body, events=max_events))
        url = address.url(listening.getsockname()[1])
        if known is None:
            logs.log.warning("no tokens: whoever is on this machine may read and write all tenants", url=url)
        told = {"url": url, "rules": rules, "durable": settings.full_sync}
        server.run(application(service), service, listening, lambda: logs.log.info("listening", **told))
        logs.log.info("stopped")


def tokens_for(address: Address, path: Path | None) -> Tokens | None:
    """The tokens to ask for; none on the machine's own address without a file. RefusedError elsewhere, or where the file is wrong."""
    from streams.http.hosts import is_loopback
    from streams.http.tokens import Tokens, TokensError, load

    if path is None:
        if not is_loopback(address.host):
            raise RefusedError(
                "without tokens the server listens on this machine only; make some with `caremonth tokens new --tokens FILE TENANT` "
                "and name the file with --tokens"
            )
        return None
    try:
        return Tokens(load(path).tokens)
    except TokensError as error:
        raise RefusedError(str(error)) from None


def _require_shareable(settings: Settings) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.db)
    except ArgumentError:
        return
    if url.get_backend_name() == "sqlite" and (url.database or "") in _MEMORY:
        raise RefusedError("a ledger in memory cannot be served: it would be gone with the server; name a file with --db")


def _bound(address: Address) -> socket:
    from streams.http.server import bound

    try:
        return bound(address.host, address.port)
    except OSError as error:
        raise RefusedError(f"the address {address.url(address.port)} is not to be had: {error.strerror}; choose another") from None


def new_token(path: Path, tenants: list[str], name: str | None, rights: list[Right], *, as_json: bool) -> None:
    """Make a token, add its digest to the file and print it: it is shown this once. RefusedError where that cannot be."""
    from streams.http.tokens import TokenFile, TokensError, free_name, load, make

    try:
        known = load(path) if path.exists() else TokenFile(tokens=[])
        chosen = name or free_name(known, tenants)
        if chosen in {entry.name for entry in known.tokens}:
            raise RefusedError("the file has a token of this name already; give another. No token was made")
        token, entry = make(chosen, tenants, rights)
    except TokensError as error:
        raise RefusedError(str(error)) from None
    _write(path, TokenFile(tokens=[*known.tokens, entry]).model_dump_json(indent=1))
    if as_json:
        put_json({"token": token, "name": chosen, "tenants": tenants, "rights": rights})
    else:
        put(token)


def _write(path: Path, text: str) -> None:
    """Replace the file whole, readable for its owner alone."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}", delete=False, encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
