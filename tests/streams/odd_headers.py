"""Sends one message whose header's name is not UTF-8: `python -m tests.streams.odd_headers BROKER TOPIC KEY`, the value on stdin.

aiokafka's compiled code would encode the name itself, so this runs without it (AIOKAFKA_NO_EXTENSIONS=1).
"""

import asyncio
import sys

from aiokafka import AIOKafkaProducer


class Odd(str):
    """A name that is sent as bytes that are no UTF-8."""

    __slots__ = ()

    def encode(self, *_how: str) -> bytes:
        return b"ce_\xff\xfe"


async def send(broker: str, topic: str, key: str, value: bytes) -> None:
    """Send good, odd, good in one batch, gzipped, so that what shares the batch is seen to arrive."""
    async with AIOKafkaProducer(bootstrap_servers=broker, acks="all", compression_type="gzip", linger_ms=200) as producer:
        good, odd, again = value.splitlines()
        sent = [
            await producer.send(topic, one, key.encode(), headers=headers)
            for one, headers in ((good, []), (odd, [(Odd("x"), b"y")]), (again, []))
        ]
        await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.run(send(*sys.argv[1:], sys.stdin.buffer.read()))  # type: ignore[call-arg,arg-type]
