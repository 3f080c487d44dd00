"""The job by Faust with a table of its own, as its guide shows it."""

import json
import os
import sys
from datetime import datetime
from time import perf_counter, process_time
from typing import Any

import faust

BROKER, TOPIC, OUT, RECORDS, SECONDS, FOLDER = sys.argv[1:]
THRESHOLD = 1_200
PARTITIONS = 8
app = faust.App(OUT, broker=f"kafka://{BROKER}", store="memory://", topic_partitions=PARTITIONS, topic_replication_factor=1)
sums = app.Table("seconds", default=int, partitions=PARTITIONS)
out = app.topic(OUT, value_serializer="json", key_serializer="raw", key_type=bytes)


async def count(stream: Any) -> None:
    """Sum, send, and end the process when enough is taken."""
    start, cpu, records = 0.0, 0.0, 0
    async for key, event in stream.items():
        if not records:
            start, cpu = perf_counter(), process_time()
        records += 1
        data = event["data"]
        month = data["start"][:7]
        at = f"{key.decode()}/{month}"
        before = sums[at]
        after = before + int((datetime.fromisoformat(data["end"]) - datetime.fromisoformat(data["start"])).total_seconds())
        sums[at] = after
        if before < THRESHOLD <= after:
            await out.send(key=key, value={"month": month, "seconds": after})
        spent = perf_counter() - start
        if records == int(RECORDS) or spent > float(SECONDS):
            print(json.dumps({"records": records, "seconds": spent, "cpu": process_time() - cpu}), file=sys.__stdout__, flush=True)
            os._exit(0)


if __name__ == "__main__":
    app.agent(app.topic(TOPIC, key_type=bytes, key_serializer="raw", value_serializer="json"))(count)
    sys.argv[1:] = ["--datadir", FOLDER, "worker", "--without-web", "--loglevel", "error"]
    app.main()
