"""What several parts need, made once: the stream as a file, and a ledger of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from caremonth.sample import sample
from tests.bench import task
from tests.bench.sizes import Sizes

SEED: Final = 2026


class Workbench:
    """A folder for the files of one bench."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self._events = self._sent = 0

    def stream(self) -> tuple[Path, int]:
        """The sample stream, as `caremonth sample` prints it, and its number of lines."""
        path = self.folder / "stream.jsonl"
        if not self._events:
            self._events = write(path, self.sizes.patients, self.sizes.months, self.sizes.sites)
        return path, self._events

    def topic_stream(self) -> tuple[Path, int]:
        """The sample stream for topics, and its number of lines."""
        path = self.folder / "topics.jsonl"
        if not self._sent:
            self._sent = write(path, self.sizes.topic_patients, self.sizes.months, self.sizes.sites)
        return path, self._sent

    def steady_stream(self) -> list[bytes]:
        """The sample stream of one month, for the steady load."""
        path = self.folder / "steady.jsonl"
        if not path.exists():
            write(path, self.sizes.steady_patients, 1, self.sizes.sites)
        return path.read_bytes().splitlines()

    def ledger(self) -> Path:
        """A ledger that has taken the stream in."""
        path = self.folder / "ledger.db"
        if not path.exists():
            task.run("ingest", path, self.stream()[0])
        return path

    def database(self, name: str) -> Path:
        """A database file that is not there yet; what a run before it left goes."""
        for old in self.folder.glob(f"{name}.db*"):
            old.unlink()
        return self.folder / f"{name}.db"


def write(path: Path, patients: int, months: int, sites: int) -> int:
    """Write a sample stream into a file; returns its number of lines."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for number, line in enumerate(sample(patients, months, sites, SEED), 1):  # noqa: B007 the last number is the count
            file.write(line + "\n")
    return number
