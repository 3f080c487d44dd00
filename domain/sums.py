"""A tenant's accepted events summed up: the same set has the same sum, whatever the order they came in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

SIZE: Final = 32
RANGE: Final = 1 << (8 * SIZE)
_EMPTY: Final = blake2b(digest_size=SIZE)


class History(NamedTuple):
    """How many events of a tenant were accepted, and their sum (hex)."""

    events: int = 0
    sum: str = "00" * SIZE


def term(identity: str, digest: bytes) -> int:
    """What an event adds to the sum, by its identity and the digest of its content."""
    hashed = _EMPTY.copy()
    hashed.update(identity.encode() + b"\n" + digest)
    return int.from_bytes(hashed.digest(), "big")


class Sums:
    """Events added up by tenant."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, int]] = {}

    def add(self, tenant: str, source: str, identifier: str, digest: bytes) -> None:
        """Add an event by its identity and the digest of its content."""
        self.include({tenant: (1, term(f"{source}\t{identifier}", digest))})

    def include(self, found: Mapping[str, tuple[int, int]]) -> None:
        """Add what was found of other events: how many, and their terms' sum."""
        for tenant, (more, terms) in found.items():
            events, total = self.found.get(tenant, (0, 0))
            self.found[tenant] = events + more, (total + terms) % RANGE

    def histories(self) -> Iterator[tuple[str, History]]:
        """The tenants' histories."""
        for tenant, (events, total) in sorted(self.found.items()):
            yield tenant, History(events, total.to_bytes(SIZE).hex())


def less(one: History, other: History) -> History:
    """A history without the events of another."""
    return History(one.events - other.events, ((int(one.sum, 16) - int(other.sum, 16)) % RANGE).to_bytes(SIZE).hex())
