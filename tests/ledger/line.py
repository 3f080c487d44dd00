"""A line to a database, which a test breaks at a moment of its choosing."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread

from sqlalchemy import make_url

from tests.servers.ports import free_port

PASS = "pass"
BREAK = "break"
DELIVER_AND_BREAK = "deliver and break"
Fate = str | Callable[[], object]
"""What becomes of a part that was sent: one of these words, or what is done between the sender's loss of the line and its delivery."""


@dataclass
class Line:
    """`cut` is asked of all that is sent to the server what becomes of it; `away` turns those away who connect."""

    url: str
    server: tuple[str, int]
    cut: Callable[[bytes], Fate] = lambda _: PASS
    away: bool = False

    def fate(self, sent: bytes) -> Fate:
        """What becomes of a part, by what is asked now."""
        return self.cut(sent)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                behind = None if self.away else socket.create_connection(self.server)
            except OSError:
                behind = None
            if behind is None:
                shut(client)
                continue
            Thread(target=carry, args=(behind, client, lambda _: PASS), daemon=True).start()
            Thread(target=carry, args=(client, behind, self.fate), daemon=True).start()


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """A line to the database of the URL."""
    parsed = make_url(url)
    port = free_port()
    line = Line(parsed.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), (str(parsed.host), parsed.port or 5432))
    with socket.create_server(("127.0.0.1", port)) as listener:
        Thread(target=line.serve, args=(listener,), daemon=True).start()
        yield line


def carry(source: socket.socket, target: socket.socket, cut: Callable[[bytes], Fate]) -> None:
    """Carry bytes until one side ends, or the line is cut."""
    try:
        while part := source.recv(65536):
            fate = cut(part)
            if not isinstance(fate, str):
                shut(source)
                fate()
            if fate != BREAK:
                target.sendall(part)
            if fate != PASS:
                break
    except OSError:
        return
    finally:
        shut(source)
        shut(target)


def shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
