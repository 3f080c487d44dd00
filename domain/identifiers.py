"""Names, ids and other short texts: which forms the contract takes, and how a refusal is worded.

The patterns are read by pydantic's regular expressions, where `$` is the very end of the text.
Each pattern has its sentence in `SENTENCES`; no sentence repeats what was written.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_CONTROLS: Final = r"\x00-\x1f\x7f-\x9f"

NAME: Final = rf"^[^{_CONTROLS}]+$"
"""`id`, `source`, `type`, `replaces`: opaque, one line (a tab may therefore separate them in a sorted key)."""
TENANT: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
PARTY: Final = r"^[A-Za-z0-9._:-]{1,128}$"
"""A patient, site or practitioner, as `subject` and inside `data`."""
LINE: Final = rf"^[^{_CONTROLS}]*$"
FREE_TEXT: Final = r"^(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f]|\r\n)*$"
"""Text for people: new lines and tabs are the only control characters a person types on purpose."""
PLACE_OF_SERVICE: Final = r"^[0-9]{2}$"
NPI: Final = r"^[0-9]{10}$"
MONTH: Final = r"^(?:20[0-9]{2}|2100)-(?:0[1-9]|1[0-2])$"
ICD10: Final = r"^[A-Za-z][0-9][0-9A-Za-z](?:\.?[0-9A-Za-z]{1,4})?$"

SENTENCES: Final[Mapping[str, str]] = {
    NAME: "must have at least one character and no control characters; remove them",
    TENANT: "must be 1 to 63 lower-case letters, digits or hyphens and not start with a hyphen; correct it",
    PARTY: "must be 1 to 128 letters, digits or . _ : -; remove other characters",
    LINE: "must have no control characters; remove them",
    FREE_TEXT: "must have no control characters but new line and tab; remove them",
    PLACE_OF_SERVICE: "must be a place of service of two digits such as 11; write it in quotes with both digits",
    ICD10: "must be an ICD-10-CM code of 3 to 7 letters and digits, with or without its dot; correct it",
}

_SAFE_FIELD: Final = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII)
_NPI: Final = re.compile(NPI, re.ASCII)
_LUHN_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NOT_PLACES: Final = frozenset({"Factory", "localtime"})


def shown(field: str) -> str:
    """A field name from outside as a message may show it: only when it cannot be a sentence about a patient."""
    return field if _SAFE_FIELD.fullmatch(field) else "(a name that is not shown)"


def checked_npi(text: str) -> str:
    """The NPI itself; ValueError unless it is 10 digits that pass Luhn behind the prefix 80840 (45 CFR 162.406)."""
    if _NPI.fullmatch(text) is None:
        raise ValueError("must be an NPI of 10 digits; correct it")
    digits = [int(digit) for digit in "80840" + text]
    if (sum(digits[-1::-2]) + sum(_LUHN_DOUBLED[digit] for digit in digits[-2::-2])) % 10:
        raise ValueError("must be an NPI with its check digit; look for a mistyped digit")
    return text


def checked_zone(text: str) -> str:
    """The zone itself; ValueError unless it is a name of the IANA time zone database."""
    if text not in known_zones():
        raise ValueError("must be an IANA time zone such as America/Chicago; correct it")
    return text


@cache
def known_zones() -> frozenset[str]:
    """Zone names of the `tzdata` package: the same on every machine, whatever its own zone files are."""
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(name for name in names if not name.startswith(("posix/", "right/"))) - _NOT_PLACES
