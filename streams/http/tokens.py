"""Who may do what: bearer tokens, kept as digests in a file, each with its tenants and rights.

    tokens:
      - {name: lab feed, sha256: 9f86d0…, tenants: [acme], rights: [write]}

A token is 256 random bits, so that its plain digest cannot be guessed at; whoever reads the file cannot sign in with it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated, Final, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.identifiers import TENANT
from streams.http.problems import Problem

Right = Literal["read", "write"]
EVERY: Final = "*"
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="caremonth"'}


class TokensError(Exception):
    """A file of tokens that cannot be used; the text says why and how to mend it."""


class Entry(BaseModel):
    """One token as the file has it. `tenants` holds ids, or `*` alone for all."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tenants: Annotated[list[Annotated[str, Field(pattern=rf"{TENANT}|^\*$")]], Field(min_length=1)]
    rights: Annotated[list[Right], Field(min_length=1)]


class TokenFile(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    tokens: list[Entry]


class Access(NamedTuple):
    """What a caller may do: `tenants` is None for all; `name` is the token's, empty where none is asked for."""

    name: str
    tenants: frozenset[str] | None
    rights: frozenset[str]

    def require(self, right: Right) -> None:
        """Problem 403 where the right is missing."""
        if right not in self.rights:
            raise Problem(403, f"This token has no right to {right}; use one that has it.")

    def covers(self, tenant: str) -> bool:
        """Whether the tenant is within reach."""
        return self.tenants is None or tenant in self.tenants


OPEN: Final = Access("", None, frozenset(("read", "write")))
"""For a server that asks for no token: it listens to its own machine only."""


class Tokens:
    """The tokens of a file; `access` finds the one a request shows."""

    def __init__(self, entries: list[Entry]) -> None:
        self._known = [(bytes.fromhex(entry.sha256), _access(entry)) for entry in entries]

    def access(self, authorization: str | None) -> Access:
        """What the header `Authorization` gives a right to; Problem 401 where it is missing or unknown.

        All digests are compared, each in constant time: how long it takes tells nothing.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem(401, "This needs a token; send it in the header Authorization: Bearer TOKEN.", _CHALLENGE)
        shown = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        found = [access for known, access in self._known if compare_digest(known, shown)]
        if not found:
            raise Problem(401, "This token is not known here; ask for one that is.", _CHALLENGE)
        return found[0]


def _access(entry: Entry) -> Access:
    return Access(entry.name, None if EVERY in entry.tenants else frozenset(entry.tenants), frozenset(entry.rights))


def load(path: Path) -> TokenFile:
    """The file at a path, JSON or YAML; TokensError where it cannot be read or a token in it makes no sense."""
    try:
        found = TokenFile.model_validate(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise TokensError(f"the file of tokens {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise TokensError(f"the file of tokens {path} is neither JSON nor YAML; correct it, or make a new one") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its top"
        raise TokensError(f"the file of tokens {path} is wrong at {where}; see the docs for its form") from None
    _check_names(path, found)
    return found


def _check_names(path: Path, found: TokenFile) -> None:
    names = [entry.name for entry in found.tokens]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TokensError(f"the file of tokens {path} has the name {twice[0]} twice; give each token a name of its own")


def make(name: str, tenants: list[str], rights: list[Right]) -> tuple[str, Entry]:
    """A new token and its entry; TokensError for a name or tenant that is none."""
    token = token_urlsafe(32)
    try:
        return token, Entry(name=name, sha256=sha256(token.encode()).hexdigest(), tenants=tenants, rights=rights)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise TokensError(f"{_SENTENCES.get(field, field)}. No token was made") from None


_SENTENCES: Final = {
    "name": "a token's name is 1 to 64 letters, digits, spaces, dots, dashes and underscores, the first a letter or digit",
    "tenants": "a tenant's id is small letters, digits and dashes, at most 63, the first no dash; * stands for all",
}


def free_name(taken: TokenFile, tenants: list[str]) -> str:
    """A name for a token that was given none: the tenants', with a number where it is taken."""
    names = {entry.name for entry in taken.tokens}
    stem = re.sub(r"[^A-Za-z0-9.-]", "", "-".join(tenants))[:50] or "all"
    return next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, len(names) + 3))) if name not in names)
