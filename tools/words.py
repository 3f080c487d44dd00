"""Nothing in the repository depends on, or gives away, the machine it was written on.

The forbidden words are put together from parts, so that this module and its test do not forbid themselves.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.tree import ROOT, project_files, report

MACHINE_ROOTS = ("work", "tmp", "farm", "root", "home")
OUTSIDE_PAGES = ("CONTRACT", "RULES", "ARCHITECTURE", "STREAMS", "PRODUCT")
INDEX_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "py" + "pi.python.org")

_ANY = "|".join(MACHINE_ROOTS)
_DEEP = "|".join(MACHINE_ROOTS[:3])  # telling at any depth of a path; the others are ordinary folder names there

FORBIDDEN = {
    "a path of one machine": re.compile(rf"(?<![\w.~-])/(?:{_ANY})(?:/|\b)|/(?:{_DEEP})/\w"),
    "a folder beside the repository": re.compile(r"\.\./" + "shared"),
    "a page that is not in the repository": re.compile(r"\b(?:" + "|".join(OUTSIDE_PAGES) + r")\." + "md"),
    "a package index": re.compile("|".join(map(re.escape, INDEX_HOSTS))),
    "a URL with credentials": re.compile(r"://[^\s/:@\"'{}]+:[^\s/@\"'{}]+@"),
}


def main() -> int:
    """Search the repository; the exit status is 1 when a forbidden word is found."""
    return report("words", list(problems(project_files(), ROOT)))


def problems(paths: Iterable[Path], root: Path) -> Iterator[str]:
    """Each forbidden word as file, line and what it is. Bytes that are no UTF-8 are read as replacement characters."""
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            for what in found(line):
                yield f"{path.relative_to(root)}:{number} names {what}: leave it out"


def found(line: str) -> list[str]:
    """What is forbidden in one line, in words."""
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(line)]


if __name__ == "__main__":
    sys.exit(main())
