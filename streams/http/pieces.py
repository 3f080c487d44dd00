"""The elements of a JSON array as slices of its bytes: each event is parked or kept exactly as it came.

Only the brackets and texts are looked at. What stands inside an element is left to the one parser that judges events, so that
a key twice, NaN or half a surrogate in one element is that element's fault alone.
"""

from __future__ import annotations

import re
from typing import Final

_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT: Final = rb'\{(?:[^"{}\[\]]++|' + _TEXT + rb")*+\}"
_TOKEN: Final = re.compile(rb'\{(?:[^"{}\[\]]++|' + _TEXT + rb"|" + _FLAT + rb")*+\}|" + _TEXT + rb'|["\[\]{},]', re.DOTALL)
"""An object two levels deep, as events are, is passed over as a whole; anything else goes bracket by bracket.

Nothing is read more than a few times whatever stands there: a repetition once matched is not tried again in another way.
"""
_CLOSES: Final = {b"]": ord("["), b"}": ord("{")}
SPACE: Final = b" \t\r\n"


class TooManyError(ValueError):
    """The array has more elements than one request may."""


def elements(body: bytes, most: int) -> list[bytes] | None:
    """The elements of the array that the body is, without the space around them; None where its brackets do not make one array.

    TooManyError as soon as there are more than `most`.
    """
    first = len(body) - len(body.lstrip(SPACE))
    cuts = _cuts(body, first, most) if body[first : first + 1] == b"[" else None
    if cuts is None or body[cuts[-1] + 1 :].strip(SPACE):
        return None
    found = [body[low + 1 : high].strip(SPACE) for low, high in zip([first, *cuts], cuts, strict=False)]
    if found == [b""]:
        return []
    return found if all(found) else None


def _cuts(body: bytes, first: int, most: int) -> list[int] | None:
    """Where the commas of the outermost array are, and last its end."""
    opened, cuts = bytearray(b"["), list[int]()
    for found in _TOKEN.finditer(body, first + 1):
        token = found[0]
        if token in (b"[", b"{"):
            opened += token
        elif token in _CLOSES:
            if opened.pop() != _CLOSES[token]:
                return None
            if not opened:
                return [*cuts, found.start()]
        elif token == b'"':
            return None
        elif token == b"," and len(opened) == 1:
            cuts.append(found.start())
            if len(cuts) >= most:
                raise TooManyError
    return None
