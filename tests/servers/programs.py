"""PostgreSQL's programs: of the wheel `pgserver`, else of the PATH; and a user that may run them, where we are root."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tests.servers.finding import UnavailableError
from tests.servers.processes import no_groups


def unprivileged(folder: Path) -> int | None:
    """The user that runs Postgres, given the folder: `nobody` where we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, user, user)
    return user


def binaries(folder: Path, user: int | None) -> Path:
    """The folder of `initdb` and `postgres`. `UnavailableError` where there is none that the user can run.

    A wheel in a place that is closed to the user is copied (34 MB) into the given folder.
    """
    if (wheel := installed_wheel()) is not None:
        if runs(wheel / "bin", user):
            return wheel / "bin"
        return copied(wheel, folder / "programs") / "bin"
    initdb = shutil.which("initdb")
    if initdb is None:
        raise UnavailableError("the wheel 'pgserver' is not installed and there is no 'initdb' on the PATH")
    return reported(initdb)


def installed_wheel() -> Path | None:
    """Where the wheel `pgserver` keeps PostgreSQL; its Python code is not used."""
    spec = importlib.util.find_spec("pgserver")
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent / "pginstall"
    return place if (place / "bin" / "initdb").is_file() else None


def copied(wheel: Path, folder: Path) -> Path:
    """A copy of the wheel's PostgreSQL, with the libraries that it looks for two folders up."""
    libraries = wheel.parent.with_name("pgserver.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return shutil.copytree(wheel, folder / wheel.parent.name / wheel.name)


def reported(initdb: str) -> Path:
    """The folder that really holds the program, whatever link leads to it."""
    place = Path(initdb).resolve().parent
    if not (place / "postgres").is_file():
        raise UnavailableError(f"{place} has an 'initdb' and no 'postgres'")
    return place


def runs(place: Path, user: int | None) -> bool:
    """Whether the user may run the programs there."""
    try:
        return run([str(place / "postgres"), "--version"], Path("/"), user).returncode == 0
    except PermissionError:
        return False


def run(command: list[str], folder: Path, user: int | None) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end in the folder, as the user."""
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, user=user, group=user, extra_groups=no_groups(user)
    )
