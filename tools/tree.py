"""The files of the repository, as git sees them: what is committed or would be."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def project_files(root: Path = ROOT) -> list[Path]:
    """Absolute paths of all files that are tracked, or untracked and not ignored; a file deleted from the tree is none.

    Raises `subprocess.CalledProcessError` outside a git work tree.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return sorted({root / name for name in listing.split("\0") if name and (root / name).is_file()})


def with_suffix(paths: Iterable[Path], suffix: str) -> Iterator[Path]:
    """Those of the paths that end in the suffix, such as `.py`."""
    return (path for path in paths if path.suffix == suffix)


def report(title: str, problems: list[str]) -> int:
    """Print what was found and give the exit status: 0 when there is no problem, else 1."""
    for problem in problems:
        print(problem)
    print(f"{title}: {f'{len(problems)} to mend' if problems else 'good'}")
    return min(1, len(problems))
