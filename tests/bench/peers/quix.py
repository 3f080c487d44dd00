"""The job by Quix Streams, exactly once; run by the Python of a virtual environment that has it."""

import json
import sys
from datetime import datetime
from time import perf_counter, process_time
from typing import Any

from quixstreams import Application, State

BROKER, TOPIC, OUT, RECORDS, SECONDS, FOLDER = sys.argv[1:]
THRESHOLD = 1_200
clock: dict[str, Any] = {"records": 0, "start": 0.0, "cpu": 0.0}
app = Application(
    broker_address=BROKER,
    consumer_group=OUT,
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once",
    state_dir=FOLDER,
    loglevel="ERROR",
)


def crossing(event: dict[str, Any], state: State) -> dict[str, Any] | None:
    """The message when an entry takes its month over the threshold."""
    if not clock["records"]:
        clock["start"], clock["cpu"] = perf_counter(), process_time()
    clock["records"] += 1
    if clock["records"] == int(RECORDS) or perf_counter() - clock["start"] > float(SECONDS):
        app.stop()
    data = event["data"]
    month = data["start"][:7]
    before = state.get(month, 0)
    after = before + int((datetime.fromisoformat(data["end"]) - datetime.fromisoformat(data["start"])).total_seconds())
    state.set(month, after)
    return {"month": month, "seconds": after} if before < THRESHOLD <= after else None


def main() -> None:
    """Run until the records are taken, or the time is up; what was taken is committed when `run` returns."""
    frame = app.dataframe(app.topic(TOPIC, value_deserializer="json", key_deserializer="bytes"))
    frame = frame.apply(crossing, stateful=True)
    frame = frame[frame.apply(lambda found: found is not None)]
    frame.to_topic(app.topic(OUT, value_serializer="json", key_serializer="bytes"))
    app.run()
    spent = {"seconds": perf_counter() - clock["start"], "cpu": process_time() - clock["cpu"]}
    print(json.dumps({"records": clock["records"], **spent}))


if __name__ == "__main__":
    main()
