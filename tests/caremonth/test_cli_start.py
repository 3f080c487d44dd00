"""What a command loads and builds before it runs: no more than it needs, and the same words and errors as the whole program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ledger
from caremonth import demo_story as story
from caremonth.__main__ import main
from caremonth.cli import app, only
from caremonth.cli_options import command_in, to_front
from caremonth.sample import TENANT

EVENTS = b"".join(story.raw(event) + b"\n" for event in story.stream() if event["source"] == "/demo" or "registered" in event["type"])


def loaded_by(arguments: list[str], folder: Path) -> set[str]:
    """The modules that a command loads, in a process of its own."""
    run = f"import sys; from caremonth.__main__ import main; code = main({arguments!r})"
    tell = "sys.stderr.write(chr(10).join(sys.modules)); sys.exit(code)"
    ran = subprocess.run([sys.executable, "-c", f"{run}; {tell}"], cwd=folder, capture_output=True, check=True, timeout=60, text=True)
    return set(ran.stderr.splitlines())


def test_help_waits_for_no_library(tmp_path: Path) -> None:
    assert loaded_by(["--help"], tmp_path) & {"sqlalchemy", "pydantic", "alembic", "yaml", "orjson", "rich"} == set()


@pytest.mark.parametrize("command", ["lines", "events", "alerts", "adjustments", f"explain {TENANT} {story.PATIENT} 2026-03 --json"])
def test_who_only_reads_waits_for_nothing_that_takes_events_in(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl").write_bytes(EVENTS)
    assert main(["ingest", "events.jsonl"]) == 0
    assert (
        loaded_by(command.split(), tmp_path) & {"alembic", "yaml", "jiter", "domain.event_types", "ledger.ledger", "ledger.draining"}
        == set()
    )


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["lines"], "lines"),
        (["explain", "acme", "P1", "2026-03", "--json"], "explain"),
        (["--db", "lines", "events"], "events"),
        (["alerts", "--db", "sqlite:///x.db", "--sync", "full"], "alerts"),
        (["--db=x", "--json", "rules", "list", "--rules=y"], "rules"),
        (["--help"], None),
        (["--help", "lines"], None),
        (["--nonsense", "lines"], None),
        (["--", "lines"], None),
        ([], None),
    ],
)
def test_the_command_is_found_among_the_options(arguments: list[str], command: str | None) -> None:
    assert command_in(to_front(arguments)) == command


def test_only_the_command_that_is_asked_for_is_built() -> None:
    assert [one.callback.__name__ for one in only("lines").registered_commands if one.callback] == ["lines"]
    assert only("lines").registered_groups == []
    assert [group.name for group in only("dead-letters").registered_groups] == ["dead-letters"]
    assert only("dead_letters") is app
    assert only(None) is app
    assert len(app.registered_commands) > 10


def test_a_mistyped_command_is_refused_by_the_whole_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explian"]) == 2
    assert "No such command 'explian'" in capsys.readouterr().err


def test_the_front_door_has_the_names_it_says_and_no_others() -> None:
    assert all(getattr(ledger, name).__name__ == name for name in ledger.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = ledger.Nonsense
