"""A column's values as one parameter of a statement on Postgres: an array in its binary form, written here in one go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from struct import Struct, pack
from typing import Any, ClassVar, Final

_LENGTH: Final = Struct(">i").pack
_NULL: Final = _LENGTH(-1)
_KEPT: Final = 65_536


class _Lengths(dict[int, bytes]):
    """Lengths as Postgres writes them; those that come often are kept."""

    def __missing__(self, length: int) -> bytes:
        written = _LENGTH(length)
        if length < _KEPT:
            self[length] = written
        return written


_written: Final = _Lengths().__getitem__


class Packed:
    """An array; `array` and `element` are the types' numbers in Postgres. The driver itself would look at every element for its type."""

    __slots__ = ("values",)
    array: ClassVar[int]
    element: ClassVar[int]

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def packed(self) -> bytes:
        if not self.values:
            return pack(">iiI", 0, 0, self.element)
        null = None in self.values
        return pack(">iiIii", 1, null, self.element, len(self.values), 1) + self.body(null=null)

    def body(self, *, null: bool) -> bytes:
        encoded: Sequence[Any] = self.encoded(null=null)
        if null:
            return b"".join(chain.from_iterable((_NULL, b"") if v is None else (_LENGTH(len(v)), v) for v in encoded))
        flat = [b""] * (2 * len(encoded))
        flat[::2] = map(_written, map(len, encoded))
        flat[1::2] = encoded
        return b"".join(flat)

    def encoded(self, *, null: bool) -> Sequence[bytes | None]:
        raise NotImplementedError


class Documents(Packed):
    """A column of bytes."""

    array = 1001
    element = 17

    def encoded(self, *, null: bool) -> Sequence[bytes | None]:  # noqa: ARG002
        return self.values


class Texts(Packed):
    """A column of texts."""

    array = 1009
    element = 25

    def encoded(self, *, null: bool) -> Sequence[bytes | None]:
        return [None if v is None else v.encode() for v in self.values] if null else list(map(str.encode, self.values))


class Numbers(Packed):
    """A column of 64-bit numbers."""

    array = 1016
    element = 20

    def body(self, *, null: bool) -> bytes:
        if null:
            return super().body(null=null)
        flat = [8] * (2 * len(self.values))
        flat[1::2] = self.values
        return pack(">" + "iq" * len(self.values), *flat)

    def encoded(self, *, null: bool) -> Sequence[bytes | None]:  # noqa: ARG002
        return [None if v is None else pack(">q", v) for v in self.values]
