"""The configuration of one Kafka node on the loopback address: broker and controller in one, made for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ports import LOOPBACK


@dataclass(frozen=True)
class KafkaSettings:
    """What may differ between brokers.

    `flush_every` is how many records may stand unflushed: 1 makes the broker fsync each append before it acknowledges.
    None leaves it to the operating system, Kafka's own default, under which a record survives the broker's death but not the
    machine's; with one broker that is what an acknowledgement is worth. `overrides` are lines of server.properties.
    """

    flush_every: int | None = None
    heap_mib: int = 512
    overrides: Mapping[str, str] = field(default_factory=dict)

    def properties(self) -> dict[str, str]:
        """The lines of server.properties that do not depend on ports and folders."""
        flush = {} if self.flush_every is None else {"log.flush.interval.messages": str(self.flush_every)}
        return {**COMMON, **flush, **self.overrides}


COMMON = {
    "auto.create.topics.enable": "false",
    # Kill tests wait for sessions to run out: let them be short, and let a group form at once.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A node that was killed is let in again only when its former session is over; much shorter, and a busy machine fences a live one.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
    # One node holds every replica, and few partitions of its own make it start and stop quickly.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Small segments and a quick cleaner, so that expiry and compaction can be seen; small buffers for a small heap.
    "log.segment.bytes": str(16 << 20),
    "log.index.size.max.bytes": str(1 << 20),
    "log.retention.check.interval.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
    "log.cleaner.dedupe.buffer.size": str(8 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
}

LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n%ex{short}
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def write(folder: Path, settings: KafkaSettings, port: int, controller_port: int) -> None:
    """Write server.properties and log4j2.properties into the folder; the log of the topics goes to its `data`."""
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        **settings.properties(),
    }
    (folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in lines.items()), encoding="utf-8")
    (folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
