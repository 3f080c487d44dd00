"""Events read back from the ledger's own bytes."""

from __future__ import annotations

from collections.abc import Container

import orjson

from domain.event import Event
from domain.trusted import turned
from domain.upcasting import UPCASTS, Upcasts


def reread(raw: bytes, tracked: Container[str], upcasts: Upcasts = UPCASTS) -> Event:
    """The event of stored bytes, without validating it anew; `tracked` are the programs whose enrolments have a track.

    Its data has the fields in the order of the model, so that `digest` of it is the digest of the event when it came in.
    """
    return turned(orjson.loads(raw), tracked, upcasts)
