"""The docs say what is there: links resolve, commands and targets exist, Python examples run, every ADR is listed."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tools.tree import ROOT, project_files, report, with_suffix

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"^(?:[a-z]+:|#)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"\bcaremonth ([a-z][a-z-]*)(?: ([a-z][a-z-]*)(?![\w./-]))?")
MAKE = re.compile(r"^(?:\$ )?make ([a-z][a-z-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)

Help = Callable[..., str]


def main() -> int:
    """Check the repository's docs; the exit status is 1 when one of them is wrong."""
    pages = list(with_suffix(project_files(), ".md"))
    readme = ROOT / "README.md"
    problems = [
        *link_problems(pages, ROOT),
        *target_problems(pages, ROOT),
        *adr_problems(ROOT / "docs" / "adr"),
        *command_problems(readme, command_help),
        *example_problems(readme),
    ]
    return report("docs", problems)


def link_problems(pages: Iterable[Path], root: Path) -> Iterator[str]:
    """Relative links that lead nowhere; addresses of other places and anchors are not followed."""
    for page in pages:
        for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
            if not OUTSIDE.match(target) and not (page.parent / target.partition("#")[0]).exists():
                yield f"{page.relative_to(root)} links to {target}, which is not there"


def target_problems(pages: Iterable[Path], root: Path) -> Iterator[str]:
    """Targets of make that a page names in code and the Makefile has not."""
    known = set(TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    for page in pages:
        for target in sorted({name for code in code_of(page) for name in MAKE.findall(code)} - known):
            yield f"{page.relative_to(root)} names `make {target}`, which the Makefile has not"


def adr_problems(folder: Path) -> Iterator[str]:
    """Decisions that the list of decisions leaves out."""
    listing = (folder / "README.md").read_text(encoding="utf-8")
    for record in sorted(folder.glob("[0-9]*.md")):
        if f"({record.name})" not in listing:
            yield f"docs/adr/README.md does not list {record.name}"


def command_problems(page: Path, help_of: Help) -> Iterator[str]:
    """Commands named in the code of a page that the program's own help does not show.

    The second word counts only where the first is a group of commands: elsewhere it is an argument.
    """
    listing = help_of()
    for command, words in commands_of(page).items():
        if not offers(listing, command):
            yield f"{page.name} names `caremonth {command}`, which `caremonth --help` does not show"
        elif words and is_group(inner := help_of(command)):
            for word in sorted(word for word in words if not offers(inner, word)):
                yield f"{page.name} names `caremonth {command} {word}`, which `caremonth {command} --help` does not show"


def commands_of(page: Path) -> dict[str, set[str]]:
    """The commands in the code of a page, each with the words that follow it somewhere."""
    named = sorted({match for code in code_of(page) for match in COMMAND.findall(code)})
    return {command: {word for other, word in named if other == command and word} for command, _ in named}


def code_of(page: Path) -> list[str]:
    """The fenced blocks and code spans of a page."""
    text = page.read_text(encoding="utf-8")
    return [code for _, code in FENCE.findall(text)] + SPAN.findall(FENCE.sub("", text))


def offers(listing: str, command: str) -> bool:
    """Whether a help text has a row for the command, framed or not."""
    return re.search(rf"^\W*{re.escape(command)}(?:\s|$)", listing, re.MULTILINE) is not None


def is_group(listing: str) -> bool:
    """Whether a help text is that of a command with commands of its own."""
    return "COMMAND" in listing


def command_help(*words: str) -> str:
    """What `caremonth WORDS --help` prints; the empty text when it fails."""
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "caremonth", *words, "--help"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True).stdout  # noqa: S603


def example_problems(page: Path) -> Iterator[str]:
    """Python examples of a page that do not run; each runs by itself in an empty folder."""
    examples = [code for language, code in FENCE.findall(page.read_text(encoding="utf-8")) if language == "python"]
    for number, example in enumerate(examples, 1):
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([sys.executable, "-c", example], cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603
        if run.returncode:
            yield f"{page.name}: Python example {number} fails with {run.stderr.strip().splitlines()[-1]}"


if __name__ == "__main__":
    sys.exit(main())
