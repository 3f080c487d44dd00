"""Where rule files lie and whether they are those of last time; what they say is read by `ledger.rule_files`."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

PACKAGED: Final = Path(__file__).resolve().parent.parent / "domain" / "rules"
_EXTENDS: Final = re.compile(r"^extends:[ \t]+(\S+)", re.MULTILINE)


class RuleFileError(ValueError):
    """A rule file that cannot be followed; the text says `file:line: key: expected …, found …`."""


def packaged_fingerprint(directory: Path = PACKAGED) -> str:
    """SHA-256 (hex) over the names and bytes of a rule set's files: says cheaply whether they are those of last time."""
    total = sha256()
    for folder in chain_of(directory):
        for file in files_of(folder):
            content = file.read_bytes()
            total.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def chain_of(directory: Path) -> list[Path]:
    """The directories of a rule set, the one extended by all others first. Raises RuleFileError."""
    chain: list[Path] = []
    following: Path | None = directory.resolve()
    while following is not None:
        if following in chain:
            raise RuleFileError(f"{following}/ruleset.yaml:1: extends: expected another directory, found one that extends this one")
        chain.append(following)
        found = _EXTENDS.search(text_of(following / "ruleset.yaml"))
        following = (following / found.group(1)).resolve() if found else None
    return chain[::-1]


def files_of(directory: Path) -> list[Path]:
    """The rule files of a directory, by name."""
    return sorted(file for file in directory.iterdir() if file.suffix in {".yaml", ".csv"})


def text_of(file: Path) -> str:
    """What a file says. Raises RuleFileError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RuleFileError(f"{file}:1: expected a file that can be read, found: {reason}") from None
