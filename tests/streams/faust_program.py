"""A Faust worker to be run as a process by test_faust_running.py: `python -m tests.streams.faust_program MODE BROKER TOPIC REPORT`.

Each line of the report is one offset that the agent got.
"""

import os
import sys
from asyncio import Queue
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from tests.streams.faust_bench import RAW

SESSION = 60.0  # seconds; far longer than a start takes


def program(broker: str, topic: str) -> faust.App:
    """The application, its group named after the topic."""
    return faust.App(
        topic,
        broker=f"kafka://{broker}",
        store="memory://",
        autodiscover=False,
        consumer_group_instance_id="one",
        broker_session_timeout=SESSION,
        broker_request_timeout=2 * SESSION,
        broker_commit_interval=0.2,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
    )


def report(offset: int) -> None:
    """Write down an offset in one piece, so that a kill cannot halve it."""
    with Path(os.environ["REPORT"]).open("ab", buffering=0) as lines:
        lines.write(f"{offset}\n".encode())


async def raises(stream: Any) -> None:
    """Fail on the event of offset 1, as a handler with a bug would."""
    async for event in stream.events():
        report(event.message.offset)
        if event.message.offset == 1:
            raise ValueError("a bug in the handler")


async def drains(stream: Any) -> None:
    """Take from the channel's queue past the stream, and commit by the consumer's own call."""
    queue: Queue[Any] = aiter(stream.channel).queue
    while True:
        sent = (await queue.get()).message
        report(sent.offset)
        consumer: Any = stream.app.consumer
        await consumer._commit({TP(sent.topic, sent.partition): sent.offset + 1})


if __name__ == "__main__":
    mode, given_broker, given_topic, os.environ["REPORT"] = sys.argv[1:]
    app = program(given_broker, given_topic)
    agent = {"raises": raises, "drains": drains}[mode]
    app.agent(app.topic(given_topic, acks=mode == "raises", **RAW))(agent)
    sys.argv[1:] = ["--datadir", str(Path.cwd()), "worker", "--without-web", "--loglevel", "warn"]
    app.main()
