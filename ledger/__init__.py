"""What happened and what was decided: the event store, lines, outbox; one transaction a batch."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from domain import compiled

if TYPE_CHECKING:
    from ledger.arrivals import Summary
    from ledger.errors import LedgerError, RulesDifferError, UnknownPatientError
    from ledger.ledger import Ledger, open_ledger
    from ledger.positions import Claim, FencedError
    from ledger.reader import Reader, read_ledger

__all__ = [
    "Claim", "FencedError", "Ledger", "LedgerError", "Reader", "RulesDifferError", "Summary", "UnknownPatientError",
    "open_ledger", "read_ledger",
]  # fmt: skip

_HOMES: Final = {
    "arrivals": ("Summary",),
    "errors": ("LedgerError", "RulesDifferError", "UnknownPatientError"),
    "ledger": ("Ledger", "open_ledger"),
    "positions": ("Claim", "FencedError"),
    "reader": ("Reader", "read_ledger"),
}


COMPILED: bool = compiled.use(__path__, Path(compiled.__file__).parent)
"""Whether the modules that `tools.compile` names are the compiled ones."""


def __getattr__(name: str) -> Any:
    """A name of the front door, from its module: who only reads loads nothing of what takes events in."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"ledger.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
