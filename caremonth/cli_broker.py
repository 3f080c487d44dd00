"""How a command reaches the brokers: the options that all of them share, and what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.settings import Broker

LOCAL = "localhost:9092"


def _prefix(text: str) -> str:
    from streams.topics import prefix_of

    try:
        return prefix_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Brokers = Annotated[
    str, typer.Option(envvar="CAREMONTH_BROKERS", metavar="HOST:PORT", help="The brokers; several are separated by commas.")
]
Prefix = Annotated[
    str, typer.Option(parser=_prefix, envvar="CAREMONTH_TOPIC_PREFIX", metavar="P", help="What the names of the topics begin with.")
]
Tls = Annotated[bool, typer.Option("--tls", envvar="CAREMONTH_KAFKA_TLS", help="Speak to the brokers over TLS.")]
Authorities = Annotated[
    str | None, typer.Option("--ca-file", envvar="CAREMONTH_KAFKA_CA_FILE", metavar="FILE", help="The authorities TLS trusts.")
]
User = Annotated[
    str | None,
    typer.Option(
        "--user", envvar="CAREMONTH_KAFKA_USER", metavar="NAME", help="Name for SASL; its password is in CAREMONTH_KAFKA_PASSWORD."
    ),
]


def broker_of(brokers: str, tls: bool, ca_file: str | None, user: str | None) -> Broker:
    """The brokers as the options name them; the password is from the environment, where no list of processes shows it."""
    from os import environ
    from pathlib import Path

    from streams.settings import Broker

    if ca_file is not None and not Path(ca_file).is_file():
        raise typer.BadParameter("there is no such file; name one with the certificates in PEM form", param_hint="--ca-file")
    return Broker(brokers, tls, ca_file, username=user, password=environ.get("CAREMONTH_KAFKA_PASSWORD"))
