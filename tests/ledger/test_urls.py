"""What a database URL may be, and what is said where it leads nowhere: never a password, never a driver's own page of text."""

import pytest

from ledger import LedgerError, open_ledger
from tests.servers import Postgres
from tests.servers.ports import free_port

SECRET = "Zq7-hunter2"


def refused(url: str) -> str:
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    text = str(caught.value)
    assert SECRET not in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "cannot be read"),
        (f"postgresql+psycopg://user:{SECRET}@host:port/db", "cannot be read"),
        (f"mysql://user:{SECRET}@host/db", "'mysql' are not served"),
        (f"postgresql+asyncpg://user:{SECRET}@host/db", "driver psycopg"),
        (f"postgresql+psycopg://user:{SECRET}@127.0.0.1/db?timeout=soon", "timeout=10"),
        (f"postgresql+psycopg://user:{SECRET}@127.0.0.1/db?colour=red", "colour"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    assert said in refused(url)


def test_a_server_that_is_not_there() -> None:
    assert "onnection refused" in refused(f"postgresql+psycopg://user:{SECRET}@127.0.0.1:{free_port()}/db")


def test_a_database_that_is_not_there(postgres_server: Postgres) -> None:
    url = postgres_server.url.set(database="nobodys", password=SECRET).render_as_string(hide_password=False)
    assert "nobodys" in refused(url)


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+psycopg"])
def test_all_names_of_the_driver_lead_there(database_url: str, driver: str) -> None:
    with open_ledger(f"{driver}:{database_url.partition(':')[2]}") as ledger:
        assert ledger.lines() == []
