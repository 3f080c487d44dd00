"""The compose file as Docker reads it, with the variables of `.env.example`, and the program's commands as they are."""

import re
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml
from typer.main import get_command

from caremonth.cli import app
from tools.tree import ROOT, project_files, with_suffix

COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
READ = re.compile(r"\"(CAREMONTH_[A-Z_]+)\"")
PIPE = ("bash", "-euo", "pipefail", "-c")

Service = dict[str, Any]


def example() -> dict[str, str]:
    """The variables of `.env.example` and what they are there."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables() -> set[str]:
    """Those the compose file asks for."""
    return {name for name, _, _ in VARIABLE.findall(COMPOSE.read_text(encoding="utf-8"))}


def services(values: Mapping[str, str]) -> dict[str, Service]:
    """The services, the variables filled in; ValueError where one that must be set is not."""

    def fill(match: re.Match[str]) -> str:
        name, how, text = match.groups()
        if how == "?" and not values.get(name):
            raise ValueError(f"{name}: {text}")
        return values.get(name) or (text or "" if how == "-" else "")

    found: dict[str, Service] = yaml.safe_load(VARIABLE.sub(fill, COMPOSE.read_text(encoding="utf-8")))["services"]
    return found


def is_ours(service: Service) -> bool:
    """Whether it runs this program."""
    return str(service["image"]).startswith("caremonth:")


def stays(service: Service) -> bool:
    """Whether it is to run until it is stopped."""
    return bool(service["restart"] != "no")


def pipeline(service: Service) -> list[list[str]]:
    """The commands of this program that a service of ours runs, without the program's name; several where they are piped."""
    if service.get("entrypoint") is None:
        return [service["command"]] if "command" in service else []
    assert tuple(service["entrypoint"]) == PIPE
    pieces = [shlex.split(piece) for piece in service["command"][0].split("|")]
    assert all(piece[0] == "caremonth" for piece in pieces)
    return [piece[1:] for piece in pieces]


def parse(words: list[str]) -> None:
    """Have the program's own command line read the words, without running anything; it raises what is wrong with them."""
    command: Any = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(command.name, rest)


@cache
def known_variables() -> frozenset[str]:
    """The program's own variables: those that its front door reads by name."""
    sources = [path for path in with_suffix(project_files(), ".py") if path.is_relative_to(ROOT / "caremonth")]
    return frozenset(name for path in sources for name in READ.findall(path.read_text(encoding="utf-8")))
