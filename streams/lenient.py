"""Records whose header names are not UTF-8, which aiokafka refuses to hand over, with all that stands behind them.

Kafka's brokers take any bytes as the name of a header. aiokafka raises UnicodeDecodeError at such a record each time it is fetched, so that
its partition would stand still for ever. Here the batch is read once more, with what is no UTF-8 as lone surrogates, which
`streams.codec` refuses: the record is parked and the partition goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


class _Text(bytearray):
    """Bytes whose parts decode to some text whatever they are."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Text(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for its authors' type checks
    """A batch read in Python, slowly, and whatever the names of its headers are."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Text(self._buffer)


class _Batch:
    """A batch as the compiled code reads it, and leniently where that fails."""

    def __init__(self, content: memoryview, batch: Any) -> None:
        self._content = content
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(list(_LenientBatch(self._content)))


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """The batches of one answer of the broker, cut in Python and read by the compiled code."""

    def next_batch(self, *_sizes: int) -> Any:
        content = self._next_slice
        found = super().next_batch()
        return _Batch(content, found) if isinstance(found, DefaultRecordBatch) else found


def install() -> None:
    """Let the consumers of this process read such records. The same again changes nothing."""
    fetcher.MemoryRecords = _Batches
