"""The finished parts of a plan that is being made, kept in a file so that one that was stopped goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Self

import orjson

from domain.settlement import Row
from ledger.extent import Extent
from ledger.plan_parts import Done
from ledger.plans import Totals


class Journal:
    """The parts that are done, kept in a file so that a plan that was stopped goes on from there; the file goes when all are done."""

    def __init__(self, path: Path | None, header: Row, state: str) -> None:
        self.path = path
        self.key = sha256(orjson.dumps([header, state], option=orjson.OPT_SORT_KEYS)).hexdigest().encode()
        self.done: list[Done] = []
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self.path is not None:
            self.done = list(self._read(self.path))
            self._file = self.path.open("wb")
            self._file.write(self.key + b"\n")
            for one in self.done:
                self._keep(one)
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        if self._file is not None and self.path is not None:
            self._file.close()
            if kind is None:
                self.path.unlink()

    def add(self, done: Done) -> None:
        """One more part is done."""
        self.done.append(done)
        self._keep(done)

    def _keep(self, done: Done) -> None:
        if self._file is not None:
            row = [done.state, [change.decode() for change in done.changes], list(done.totals), list(done.extent)]
            self._file.write(orjson.dumps(row) + b"\n")
            self._file.flush()

    def _read(self, path: Path) -> Iterator[Done]:
        """The parts of the same plan on the same state; a line that was cut off ends them."""
        if not path.is_file():
            return
        with path.open("rb") as file:
            if file.readline().rstrip() != self.key:
                return
            for line in file:
                try:
                    state, changes, totals, counted = orjson.loads(line)
                except ValueError:
                    return
                yield Done(state, [change.encode() for change in changes], Totals(*totals), Extent(*counted))
