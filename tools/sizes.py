"""Functions and modules stay small: a median of 8 lines, a ninth decile of 30, none over 60; no module over 400.

A function is measured from its `def` to its last line, docstring included. Functions of tests are not measured
(a test is a story and may be long); their modules are.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.tree import ROOT, project_files, report, with_suffix

MEDIAN, NINTH_DECILE, LONGEST, MODULE = 8, 30, 60, 400
NAMED = 12


class Function(NamedTuple):
    lines: int
    place: str


def main() -> int:
    """Measure the repository; the exit status is 1 when a limit is passed."""
    modules = list(with_suffix(project_files(), ".py"))
    measured = sorted(function for path in modules if not is_test(path) for function in functions(path, ROOT))
    return report("sizes", [*function_problems(measured), *module_problems(modules, ROOT)])


def is_test(path: Path) -> bool:
    """Whether the module lies under `tests`."""
    return "tests" in path.parts


def functions(path: Path, root: Path) -> Iterator[Function]:
    """Every function and method of a module, nested ones too, with its size and place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield Function(lines, f"{path.relative_to(root)}:{node.lineno} {node.name}")


def function_problems(measured: list[Function]) -> Iterator[str]:
    """What is wrong with functions sorted by size; the longest are named, as the ones worth dividing."""
    if not measured:
        return
    for name, share, limit in (("median", 0.5, MEDIAN), ("ninth decile", 0.9, NINTH_DECILE), ("longest", 1.0, LONGEST)):
        found = measured[min(len(measured) - 1, int(share * len(measured)))].lines
        if found > limit:
            yield f"{name} function has {found} lines, at most {limit}; longest: {named(measured, limit)}"


def named(measured: list[Function], limit: int) -> str:
    """The largest functions over a limit, largest first."""
    over = [function for function in reversed(measured) if function.lines > limit]
    return "; ".join(f"{function.place} ({function.lines})" for function in over[:NAMED])


def module_problems(modules: Iterable[Path], root: Path) -> Iterator[str]:
    """The modules that are too long."""
    for path in modules:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE:
            yield f"{path.relative_to(root)} has {lines} lines, at most {MODULE}: divide it by noun"


if __name__ == "__main__":
    sys.exit(main())
