"""Rule files on disk: YAML and CSV read with their lines kept, so that every error says where.

A directory holds `ruleset.yaml`, `sources.yaml`, `limits.yaml`, `prices.csv` and one YAML file a family. With `extends: DIR` in
`ruleset.yaml` it lays its values over those of another directory: mappings are merged, lists (dated values) appended.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from io import StringIO
from pathlib import Path
from typing import Any, Final

import yaml

from domain.rulebook import Rulebook
from domain.rulebook_compile import compile_rulebook
from domain.rulebook_reader import Path as Way
from domain.rulebook_reader import RuleError, spell
from ledger.rule_folders import PACKAGED, RuleFileError, chain_of, files_of, text_of

__all__ = ["PACKAGED", "Leaf", "RuleFileError", "load_document", "load_rulebook", "located"]

_SHARED: Final = ("ruleset", "sources", "limits")
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value with the file and line it stands on; a mapping or list holds leaves."""

    value: object
    file: str
    line: int

    def plain(self) -> object:
        """The value alone, as the rule document has it."""
        if isinstance(self.value, dict):
            return {key: part.plain() for key, part in self.value.items()}
        if isinstance(self.value, list):
            return [part.plain() for part in self.value]
        return self.value

    def nearest(self, way: Way) -> Leaf:
        """The leaf a way leads to, or the last one on it that exists."""
        inner: Leaf | None = None
        if way and isinstance(self.value, dict):
            inner = self.value.get(way[0])
        elif way and isinstance(self.value, list):
            inner = self.value[int(way[0])]
        return inner.nearest(way[1:]) if inner else self

    def over(self, base: Leaf) -> Leaf:
        """This laid over a base: mappings merged, lists appended to the base's, anything else instead of it."""
        if isinstance(self.value, dict) and isinstance(base.value, dict):
            merged = {key: part.over(base.value[key]) if key in base.value else part for key, part in self.value.items()}
            return replace(self, value=base.value | merged)
        if isinstance(self.value, list) and isinstance(base.value, list):
            return replace(self, value=base.value + self.value)
        return self


def load_rulebook(directory: Path) -> Rulebook:
    """The rule set of a directory. Raises RuleFileError, whose text says file, line, key and what was expected."""
    tree = _tree(directory)
    document = _document(tree)
    try:
        return compile_rulebook(document)
    except RuleError as error:
        raise _located(tree, error) from None


def located(directory: Path, errors: Iterable[RuleError]) -> list[str]:
    """What is wrong in the rule files of a directory, each with its file and line. Raises RuleFileError."""
    tree = _tree(directory)
    return [str(_located(tree, error)) for error in errors]


def load_document(directory: Path) -> dict[str, object]:
    """The canonical document of a directory's rule set, not yet checked for meaning. Raises RuleFileError."""
    return _document(_tree(directory))


def _document(tree: Leaf) -> dict[str, object]:
    plain = tree.plain()
    return plain if isinstance(plain, dict) else {}


def _located(tree: Leaf, error: RuleError) -> RuleFileError:
    """The error with its file and line; the way begins inside the file."""
    leaf = tree.nearest(error.path)
    start = 0 if leaf is tree else {"families": 2, "prices": 0}.get(str(error.path[0]), 1)
    key = spell(error.path[start:]) if len(error.path) > start else "the file"
    return RuleFileError(f"{leaf.file}:{leaf.line}: {key}: expected {error.expected}, found {error.found}")


def _tree(directory: Path) -> Leaf:
    """The rule set of a directory as one tree, laid over those it extends."""
    first, *others = (_folder(folder) for folder in chain_of(directory))
    return reduce(lambda base, overlay: overlay.over(base), others, first)


def _folder(directory: Path) -> Leaf:
    """A directory as one tree; its families under their files' names."""
    families: dict[str, Leaf] = {}
    parts: dict[str, Leaf] = {}
    for file in files_of(directory):
        if file.suffix == ".csv":
            parts[file.stem] = _table(file)
        elif file.stem in _SHARED:
            parts[file.stem] = _yaml(file)
        else:
            families[file.stem] = _yaml(file)
    ruleset = parts["ruleset"].value
    if isinstance(ruleset, dict):
        ruleset.pop("extends", None)
    return Leaf({**parts, "families": Leaf(families, str(directory), 1)}, str(directory), 1)


def _table(file: Path) -> Leaf:
    """The rows of a CSV file, each a mapping by its header; empty cells are null, several sources stand with spaces between them."""
    reader = csv.DictReader(StringIO(text_of(file)), strict=True)
    try:
        return Leaf([_row(row, str(file), reader.line_num) for row in reader], str(file), 1)
    except csv.Error as error:
        raise RuleFileError(f"{file}:{reader.line_num}: expected a table in CSV, found: {error}") from None


def _row(row: dict[str, str], file: str, line: int) -> Leaf:
    if None in row or None in row.values():
        raise RuleFileError(f"{file}:{line}: expected as many cells as the header has, found another number of them")
    cells = {key: Leaf(text or None, file, line) for key, text in row.items() if text or key not in ("to", "note")}
    sources = [Leaf(key, file, line) for key in row.get("source", "").split()]
    return Leaf(cells | {"source": Leaf(sources, file, line)}, file, line)


def _yaml(file: Path) -> Leaf:
    try:
        node = yaml.compose(text_of(file), Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleFileError(f"{file}:{line}: expected YAML, found {error.problem}") from None
    except yaml.YAMLError as error:
        raise RuleFileError(f"{file}:1: expected YAML, found {error}") from None
    return _Builder(file).leaf(node, 1, 0) if node else Leaf({}, str(file), 1)


class _Builder:
    """Leaves from the nodes of one YAML file. Dates, decimals and keys stay text as written."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)
        self.seen: set[int] = set()

    def leaf(self, node: yaml.Node, line: int, depth: int) -> Leaf:
        """A node as a leaf on `line`, that of its key."""
        if id(node) in self.seen or depth > _DEEPEST:
            raise RuleFileError(f"{self.file}:{line}: expected values written out, found an alias or more than {_DEEPEST} levels")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return Leaf(dict(self.pairs(node, depth)), self.file, line)
        if isinstance(node, yaml.SequenceNode):
            return Leaf([self.leaf(item, item.start_mark.line + 1, depth + 1) for item in node.value], self.file, line)
        return Leaf(_scalar(node), self.file, line)

    def pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, Leaf]]:
        """The keys and leaves of a mapping; a key that stands twice is refused."""
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise RuleFileError(f"{self.file}:{line}: expected a plain key, found a list or mapping as key")
            if key.value in lines:
                raise RuleFileError(f"{self.file}:{line}: {key.value}: expected each key once, found it on line {lines[key.value]} already")
            lines[key.value] = line
            yield key.value, self.leaf(value, line, depth + 1)


_SCALARS: Final[dict[str, Callable[[str], object]]] = {
    "tag:yaml.org,2002:int": lambda text: int(text) if re.fullmatch(r"-?(0|[1-9]\d{0,9})", text) else text,
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:bool": lambda text: {"true": True, "false": False}.get(text, text),
}


def _scalar(node: yaml.Node) -> object:
    read = _SCALARS.get(node.tag)
    return read(node.value) if read else node.value
