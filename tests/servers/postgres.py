"""A real Postgres: the one the environment names, else one in Docker, else programs of a wheel or of this machine."""

import os
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.servers import containers, programs
from tests.servers.finding import NoServerError, UnavailableError, first
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import Process
from tests.servers.switch import Lever, Named, Switch

VARIABLE = "CAREMONTH_TEST_DATABASE_URL"
IMAGE = "postgres:16.2"
DRIVER = "postgresql+psycopg"
PATIENCE = 30.0  # seconds until a started server answers
REMEDY = (
    "Install the wheel 'pgserver' (it comes with the dev extra up to Python 3.12), or PostgreSQL 14 or newer with its initdb on the PATH "
    f"(Debian keeps it in /usr/lib/postgresql/<version>/bin), or Docker, or set {VARIABLE} (docs/testing.md)."
)
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Postgres:
    """A server that answers. `url` leads to its maintenance database; tests take one of their own."""

    url: URL
    switch: Switch

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh database, as SQLAlchemy reads it; dropped after the block with whoever is connected still."""
        name = f"caremonth_{uuid.uuid4().hex[:12]}"
        self._do(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url.set(database=name).render_as_string(hide_password=False)
        finally:
            self._do(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres(settings: Mapping[str, str] | None = None, *, own: bool = False) -> Iterator[Postgres]:
    """A server for the length of the block; one that was started is ended after it.

    `settings` are lines of postgresql.conf, on top of fsync and synchronous_commit switched on. `own` passes over the
    environment's server, for what stops and restarts it. `NoServerError` where there is none.
    """
    chosen = {**DURABLE, **(settings or {})}
    with ExitStack() as stack:
        if not own and (named := os.environ.get(VARIABLE)):
            yield from_environment(named)
        else:
            ways = (lambda stack: from_docker(stack, chosen), lambda stack: from_programs(stack, chosen))
            yield first(ways, stack, missing="There is no Postgres to test against", remedy=REMEDY)


def from_environment(named: str, patience: float = 10) -> Postgres:
    """The server that the environment names. `NoServerError` when it does not answer: it was asked for by name."""
    url = make_url(named).set(drivername=DRIVER)
    lever = Named(VARIABLE)
    wait_for(url, lever, patience)
    return Postgres(url, Switch(lever, lambda lever: wait_for(url, lever)))


def from_docker(stack: ExitStack, settings: Mapping[str, str]) -> Postgres:
    """A server in a container on a fixed port of the loopback address."""
    containers.require_engine()
    from testcontainers.community.postgres import PostgresContainer

    port = free_port()
    container = PostgresContainer(IMAGE, driver="psycopg").with_bind_ports(5432, port)
    container.with_kwargs(mem_limit=containers.MEMORY)
    container.with_command(["postgres", *arguments(settings)])
    lever = containers.run(container, stack)
    return answering(make_url(container.get_connection_url()), lever)


def from_programs(stack: ExitStack, settings: Mapping[str, str]) -> Postgres:
    """A server that runs on this machine, in a folder that goes when it ends; not as root, which Postgres refuses to be."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="caremonth-postgres-", ignore_cleanup_errors=True)))
    user = programs.unprivileged(folder)
    binaries = programs.binaries(folder, user)
    data, port = folder / "data", free_port()
    initialise(binaries, data, user)
    own = {**settings, "listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    command = [str(binaries / "postgres"), "-D", str(data), *arguments(own)]
    lever = Process(command, folder, user=user, orderly=signal.SIGINT, crash=signal.SIGQUIT)
    stack.callback(lever.stop)
    lever.start()
    return answering(URL.create(DRIVER, "postgres", host=LOOPBACK, port=port, database="postgres"), lever)


def initialise(binaries: Path, data: Path, user: int | None) -> None:
    """Create the files of a server; loopback connections need no password."""
    options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    done = programs.run([str(binaries / "initdb"), "-D", str(data), *options], data.parent, user)
    if done.returncode:
        raise UnavailableError(f"{binaries / 'initdb'} failed: {done.stderr[-1000:]}")


def arguments(settings: Mapping[str, str]) -> list[str]:
    """Settings as arguments of the server."""
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def answering(url: URL, lever: Lever) -> Postgres:
    """A server that was started, once it answers."""
    switch = Switch(lever, lambda lever: wait_for(url, lever))
    switch.wait(lever)
    return Postgres(url, switch)


def wait_for(url: URL, lever: Lever, patience: float = PATIENCE) -> None:
    """Return once the server lets a client in. `NoServerError` when it does not within the seconds."""
    until = time.monotonic() + patience
    while (error := refusal(url)) is not None:
        if (why := lever.failure()) or time.monotonic() > until:
            raise NoServerError(f"The Postgres at {url.host}:{url.port} does not answer: {why or error}.")
        time.sleep(0.05)


def refusal(url: URL) -> str | None:
    """Why a client does not get in, if so."""
    try:
        with psycopg.connect(plain(url), connect_timeout=5):
            return None
    except psycopg.OperationalError as error:
        return str(error).strip()


def plain(url: URL) -> str:
    """The URL as the database's own client reads it, without SQLAlchemy's name of the driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
