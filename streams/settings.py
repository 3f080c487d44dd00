"""What a worker or relay is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiokafka.helpers import create_ssl_context

DEFAULT_GROUP: Final = "caremonth"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to speak to it. `servers` is `host:port`, several separated by commas.

    With `username` the connection uses SASL (`mechanism`), with `tls` it is encrypted; `ca_file` names the authorities it trusts.
    """

    servers: str
    tls: bool = False
    ca_file: str | None = None
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = None

    def options(self) -> dict[str, Any]:
        """The arguments of an aiokafka client."""
        return {"bootstrap_servers": self.servers, **self.security()}

    def security(self) -> dict[str, Any]:
        """Those of them that say how to speak."""
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self.tls:
            found["ssl_context"] = create_ssl_context(cafile=self.ca_file)
        if self.username is not None:
            found |= {"sasl_mechanism": self.mechanism, "sasl_plain_username": self.username, "sasl_plain_password": self.password}
        return found

    @property
    def protocol(self) -> str:
        """The name Kafka has for the combination of encryption and authentication."""
        return f"{'SASL_' if self.username is not None else ''}{'SSL' if self.tls else 'PLAINTEXT'}"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker reads, in records and seconds.

    `instance` is the static name under which a restarted worker gets its partitions back at once. A batch holds about
    `batch` records, and `lanes` batches are taken side by side, each of other partitions. While more wait, deciding is put off until
    `settle_after` were taken, or for `settle_within` seconds, so that a backlog is decided a few times and not with every batch. A worker
    that makes no progress for `stall_after` seconds with records waiting ends itself.
    """

    broker: Broker
    group: str = DEFAULT_GROUP
    instance: str | None = None
    batch: int = 3_000
    lanes: int = 3
    settle_after: int = 250_000
    settle_within: float = 30.0
    session_timeout: float = 8.0
    stall_after: float = 60.0
    commit_every: float = 1.0
