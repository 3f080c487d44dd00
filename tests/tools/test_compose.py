"""docker-compose.yml, Dockerfile and .env.example hold together, and name only what the program has."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.pool import QueuePool

from ledger.postgres import postgres_engine
from tests.tools.compose import example, is_ours, known_variables, parse, pipeline, services, stays, variables
from tools.docs import code_of, command_help, command_problems, commands_of
from tools.tree import ROOT, project_files, with_suffix

SERVICES = services(example())
OURS = {name: service for name, service in SERVICES.items() if is_ours(service)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXACT = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w-]+)?")
ROOMS = ("domain", "ledger", "streams", "projections", "caremonth")
every_service = pytest.mark.parametrize("name", SERVICES)
our_service = pytest.mark.parametrize("name", OURS)


@every_service
def test_its_image_is_one_version_exactly(name: str) -> None:
    assert EXACT.fullmatch(SERVICES[name]["image"])


def test_our_image_has_the_projects_version() -> None:
    assert {service["image"] for service in OURS.values()} == {f"caremonth:{PROJECT['version']}"}
    assert [name for name, service in OURS.items() if "build" in service] == ["topics"]


@every_service
def test_it_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert str(service["user"]).split(":")[0] not in {"root", "0"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service.get("read_only", False) is (name != "kafka")


@every_service
def test_what_stays_is_looked_after_and_what_ends_is_not_started_again(name: str) -> None:
    service = SERVICES[name]
    if stays(service):
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries", "start_period"}
        assert "stop_grace_period" in service
    else:
        assert "healthcheck" not in service


def test_the_services_are_those_that_are_asked_for() -> None:
    assert {name for name, service in SERVICES.items() if stays(service)} == {"kafka", "postgres", "worker-1", "worker-2", "relay", "web"}
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == {"sample", "caremonth"}


def test_ports_are_published_on_the_loopback_address_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:8080:8080"]


@every_service
def test_what_it_waits_for_can_come_about(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert stays(SERVICES[other]) is (how["condition"] == "service_healthy")
        assert how["condition"] in {"service_healthy", "service_completed_successfully"}


@our_service
def test_the_program_has_its_commands_and_options(name: str) -> None:
    for words in pipeline(OURS[name]):
        parse(words)


@pytest.mark.parametrize("words", [["worker", "--fast"], ["serve", "--port", "many"], ["topics", "burn"]])
def test_a_command_the_program_has_not_is_found(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such option|valid integer|burn"):
        parse(words)


@our_service
def test_its_variables_are_known_to_the_program(name: str) -> None:
    own = {variable for variable in OURS[name]["environment"] if variable.startswith("CAREMONTH_")}
    assert own <= known_variables()
    assert OURS[name]["environment"].keys() - own == {"PGPASSWORD"}  # which Postgres' client reads


def test_each_variable_is_in_the_example_and_none_besides() -> None:
    assert variables() == example().keys()


def test_without_a_password_nothing_starts() -> None:
    with pytest.raises(ValueError, match="POSTGRES_PASSWORD: choose one"):
        services(example() | {"POSTGRES_PASSWORD": ""})


def test_workers_share_a_group_under_names_of_their_own() -> None:
    workers = [service["environment"] for name, service in SERVICES.items() if name.startswith("worker-")]
    assert len({worker["CAREMONTH_INSTANCE"] for worker in workers}) == len(workers) == 2
    assert len({worker["CAREMONTH_GROUP"] for worker in workers}) == 1


def test_postgres_has_connections_for_all_of_them_and_for_commands() -> None:
    pool = postgres_engine(make_url("postgresql+psycopg://caremonth@localhost/caremonth")).pool
    assert isinstance(pool, QueuePool)
    each = pool.size() + pool._max_overflow + 1  # and one that listens
    processes = [name for name, service in OURS.items() if service["environment"].get("PGPASSWORD") and name != "topics"]
    allowed = int(next(one for one in SERVICES["postgres"]["command"] if one.startswith("max_connections=")).partition("=")[2])
    assert each * len(processes) <= allowed


@pytest.mark.parametrize("page", ["operations.md", "scaling.md"])
def test_the_pages_name_commands_that_are_there(page: str) -> None:
    assert commands_of(ROOT / "docs" / page)
    assert not list(command_problems(ROOT / "docs" / page, command_help))


def test_the_pages_name_services_that_are_there() -> None:
    code = [code for page in ("README.md", "docs/operations.md") for code in code_of(ROOT / page)]
    named = {name for one in code for name in re.findall(r"docker compose (?:run --rm|exec|restart)(?: -T)? ([\w-]+)", one)}
    assert {"sample", "caremonth", "web", "postgres"} == named
    assert named <= SERVICES.keys()


def test_the_image_runs_as_the_services_do() -> None:
    users = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    assert {service["user"] for service in OURS.values()} == set(users)
    assert re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE) == ['["caremonth"]']
    tokens = SERVICES["web"]["environment"]["CAREMONTH_TOKENS"]
    assert f"""printf '{{"tokens": []}}\\n' > {tokens}""" in DOCKERFILE


def test_the_image_is_built_on_one_exact_python() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert EXACT.fullmatch(bases[0])
    assert f"Python :: {'.'.join(bases[0].split(':')[1].split('.')[:2])}" in str(PROJECT["classifiers"])


def test_the_builder_gets_what_it_copies_and_nothing_else() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    assert sorted(line[1:].rstrip("/") for line in lines if line.startswith("!")) == sorted(copied)
    assert all((ROOT / name).exists() for name in copied)
    assert set(ROOMS) < set(copied)


def pins(name: str) -> dict[str, frozenset[str]]:
    """What a lock pins, each with its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    rows = [line for line in text.splitlines() if re.match(r"[a-z]", line)]
    return {row.split()[0]: frozenset(re.findall(r"sha256:\w+", row)) for row in rows}


@pytest.mark.parametrize("name", ["requirements-runtime.lock", "requirements-build.lock"])
def test_a_lock_of_the_image_is_part_of_the_lock(name: str) -> None:
    whole, part = pins("requirements.lock"), pins(name)
    assert part
    assert all(part.values())
    assert {pin: whole.get(pin) for pin in part} == part, "run `make lock`"


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", one)[0].lower() for one in requirements}


def test_the_image_has_what_the_project_asks_for_and_nothing_of_the_developers() -> None:
    runtime = {pin.split("==")[0] for pin in pins("requirements-runtime.lock")}
    assert names(PROJECT["dependencies"]) <= runtime
    assert not names(PROJECT["optional-dependencies"]["dev"]) & runtime


def imported(path: Path) -> Iterator[str]:
    """The first names of what a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_everything_the_rooms_import_is_in_the_image() -> None:
    runtime = {pin.split("==")[0] for pin in pins("requirements-runtime.lock")}
    owners: Any = packages_distributions()
    modules = [path for path in with_suffix(project_files(), ".py") if path.relative_to(ROOT).parts[0] in ROOMS]
    found = {name for path in modules for name in imported(path)} - set(ROOMS) - sys.stdlib_module_names
    assert {"faust", "sqlalchemy", "uvicorn"} <= found
    lost = {name for name in found if not runtime & {re.sub(r"[._]", "-", owner.lower()) for owner in owners[name]}}
    assert not lost
