"""`caremonth topics` against a real broker."""

import json
import subprocess
import sys

from streams.topics import Layout
from tests.servers.kafka import Kafka

Said = list[dict[str, str]]


def run(command: str, kafka: Kafka, prefix: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["--json", "topics", command, "--brokers", kafka.bootstrap, "--prefix", prefix, *options]
    return subprocess.run([sys.executable, "-m", "caremonth", *words], capture_output=True, text=True, check=False)


def topics(command: str, kafka: Kafka, prefix: str, *options: str) -> tuple[int, Said]:
    done = run(command, kafka, prefix, *options)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_missing_topics_are_created_and_none_is_altered(kafka_server: Kafka, prefix: str) -> None:
    kafka_server.create_topics({f"{prefix}care.visit": 4}, {"retention.ms": "604800000", "max.message.bytes": "4194304"})
    code, said = topics("check", kafka_server, prefix)
    assert (code, len(said)) == (1, 8)
    assert sum("is missing" in row["problem"] for row in said) == 7

    code, said = topics("create", kafka_server, prefix)
    assert (code, len(said), sum("created" in row for row in said)) == (1, 8, 7)
    (problem,) = [row["problem"] for row in said if "problem" in row]
    assert problem.startswith(f"{prefix}care.visit: expires by retention.ms=604800000")
    assert topics("create", kafka_server, prefix) == (1, [{"problem": problem}])


def test_topics_that_were_created_pass_the_check(kafka_server: Kafka, prefix: str) -> None:
    created: Said = [{"created": name} for name in Layout(prefix=prefix).names()]
    assert topics("create", kafka_server, prefix, "--partitions", "3") == (0, created)
    assert topics("check", kafka_server, prefix) == (0, [])
    assert topics("create", kafka_server, prefix) == (0, [])
    code, said = topics("check", kafka_server, prefix, "--partitions", "4")
    assert (code, len(said)) == (1, 6)
    assert said[0]["problem"].startswith(f"{prefix}care.time-log has 3 partitions and not 4, as asked for")


def test_more_copies_than_brokers_are_refused(kafka_server: Kafka, prefix: str) -> None:
    done = run("create", kafka_server, prefix, "--replication", "50")
    assert (done.returncode, done.stdout) == (1, "")
    assert "InvalidReplicationFactorError" in done.stderr


def test_a_broker_is_spoken_to_as_the_options_say(kafka_server: Kafka, prefix: str) -> None:
    """Given a broker that asks for no name, then a client that gives one is not let in, and it is said that none answers."""
    done = run("check", kafka_server, prefix, "--user", "somebody")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no broker answers at {kafka_server.bootstrap}" in done.stderr


def test_a_file_of_authorities_that_is_not_there_is_told(kafka_server: Kafka, prefix: str) -> None:
    done = run("create", kafka_server, prefix, "--tls", "--ca-file", "none.pem")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--ca-file" in done.stderr
