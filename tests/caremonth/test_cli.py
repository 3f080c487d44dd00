"""The commands: what they print where, their exit codes, and what they do with input that people get wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import pytest

from caremonth import demo_story as story
from caremonth.__main__ import main
from caremonth.cli_board import board_cells
from caremonth.cli_output import clean
from caremonth.sample import TENANT
from ledger.rule_files import PACKAGED
from tools.tree import ROOT

WANTED = [event for event in story.stream() if event["source"] == "/demo" or "registered" in event["type"]]
EVENTS = b"".join(story.raw(event) + b"\n" for event in {event["id"]: event for event in WANTED}.values())
READERS = ["lines", "events", "alerts", "adjustments", "verify", "dead-letters list", "dead-letters retry", f"explain {TENANT} P 2026-03"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Runs commands in this process, in a folder of their own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture

    def __call__(self, *arguments: str) -> Ran:
        self.capture.readouterr()
        code = main(arguments)
        return Ran(code, *self.capture.readouterr())

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return name


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in ("CAREMONTH_DATABASE_URL", "CAREMONTH_RULES", "CAREMONTH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return Shell(tmp_path, capsys)


@pytest.fixture
def filled(shell: Shell) -> Shell:
    assert shell("ingest", shell.file("events.jsonl", EVENTS)).code == 0
    return shell


def program(arguments: Sequence[str], folder: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "caremonth", *arguments], cwd=folder, capture_output=True, check=False, timeout=60, **more)


def test_an_intake_prints_its_summary_and_a_repeat_changes_nothing(shell: Shell) -> None:
    file = shell.file("events.jsonl", EVENTS)
    total = EVENTS.count(b"\n")
    assert shell("ingest", file) == Ran(0, f'{{"accepted":{total},"duplicates":0,"dead_letters":0}}\n', "")
    assert shell("ingest", file, file).rows == [{"accepted": 0, "duplicates": 2 * total, "dead_letters": 0}]


def test_marks_line_ends_and_blank_lines_are_no_input(shell: Shell) -> None:
    good = [line for line in EVENTS.splitlines() if b"registered" in line][:2]
    mixed = b"\xef\xbb\xbf" + good[0] + b"\r\n\n \t\r\n" + b"\xef\xbb\xbf{}\n" + good[1] + b"\nnot json"
    ran = shell("ingest", shell.file("mixed.jsonl", mixed))
    assert ran.code == 3
    assert ran.rows == [{"accepted": 2, "duplicates": 0, "dead_letters": 2}]
    assert "dead-letters list" in ran.err
    letters = shell("dead-letters", "list", "--json").rows
    assert [letter["origin"] for letter in letters] == ["mixed.jsonl:4", "mixed.jsonl:6"]
    assert letters[1]["raw"] == "not json"


def test_a_missing_file_stops_before_anything_is_ingested(shell: Shell) -> None:
    ran = shell("ingest", shell.file("events.jsonl", EVENTS), "absent.jsonl")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "caremonth: absent.jsonl is not there; correct the path. Nothing was ingested\n"
    assert not Path("caremonth.db").exists()


def test_a_folder_is_no_file(shell: Shell) -> None:
    assert "is a folder" in shell("ingest", ".").err


def test_the_standard_input_is_a_file_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EVENTS + b"oops\n")))
    assert shell("ingest", "-").code == 3
    last = EVENTS.count(b"\n") + 1
    assert shell("dead-letters", "list", "--json").rows[0]["origin"] == f"-:{last}"


@pytest.mark.parametrize("arguments", [["--json", "--db", "sqlite:///other.db", "lines"], ["lines", "--json", "--db=sqlite:///other.db"]])
def test_global_options_stand_before_or_after(shell: Shell, arguments: list[str]) -> None:
    assert shell("ingest", shell.file("events.jsonl", EVENTS), "--db", "sqlite:///other.db", "--sync", "full").code == 0
    assert [row["code"] for row in shell(*arguments).rows] == ["G3002", "G3003"]
    assert not Path("caremonth.db").exists()


def test_the_database_comes_from_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREMONTH_DATABASE_URL", "sqlite:///named.db")
    assert shell("ingest", shell.file("events.jsonl", EVENTS)).code == 0
    assert Path("named.db").exists()


@pytest.mark.parametrize("command", READERS)
def test_reading_makes_no_ledger(shell: Shell, command: str) -> None:
    ran = shell(*command.split())
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("caremonth: there is no ledger at this URL yet")
    assert list(shell.folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["lines", "--month", "2026-13"], ["explain", "t", "P", "March"], ["lines", "--db"], ["no-such-command"], ["ingest"],
        ["close", "t", "2026-03", "--at", "yesterday"], ["sample", "--patients", "0"], ["events", "--after", "-1"],
        ["--sync", "half", "lines"],
    ],
)  # fmt: skip
def test_wrong_usage_is_2(shell: Shell, arguments: list[str]) -> None:
    ran = shell(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def test_lines_in_a_pipe_are_whole_and_plain(filled: Shell) -> None:
    ran = filled("lines")
    header, *rows = ran.out.splitlines()
    assert header.split()[:6] == ["tenant", "patient", "month", "program", "practitioner", "site"]
    assert [row.split()[:8] for row in rows] == [
        [TENANT, story.PATIENT, "2026-03", "CPM", story.DOCTOR, story.SITE, code, units] for code, units in (("G3002", "1"), ("G3003", "2"))
    ]
    assert "\x1b" not in ran.out


def test_lines_are_chosen(filled: Shell) -> None:
    assert filled("lines", "--tenant", "nobody", "--json") == Ran(0, "", "")
    assert len(filled("lines", "--tenant", TENANT, "--month", "2026-03", "--patient", story.PATIENT, "--json").rows) == 2
    assert filled("lines", "--month", "2026-05") == Ran(0, "", "no lines\n")


def test_an_explanation_for_machines_and_for_people(filled: Shell) -> None:
    (tree,) = filled("explain", TENANT, story.PATIENT, "2026-03", "--json").rows
    assert tree["programs"][0]["counted_seconds"] == 63 * 60 + 30
    assert "Next: 11:30 more for G3003" in filled("explain", TENANT, story.PATIENT, "2026-03").out


def test_an_unknown_patient_is_not_repeated(filled: Shell) -> None:
    ran = filled("explain", TENANT, "P-unheard-of", "2026-03")
    assert (ran.code, ran.out) == (1, "")
    assert "P-unheard-of" not in ran.err


def test_decisions_after_a_position(filled: Shell) -> None:
    every = filled("events", "--json").rows
    assert [event["sequence"] for event in every] == list(range(1, len(every) + 1))
    assert filled("events", "--after", "3", "--json").rows == every[3:]
    assert len(filled("events").out.splitlines()) == len(every)
    raised = sum(event["type"] == "care.alert.raised.v1" for event in every)
    assert len(filled("alerts", "--json").rows) == len(filled("alerts").out.splitlines()) - 1 == raised


def test_a_month_is_not_closed_before_it_is_over(filled: Shell) -> None:
    ran = filled("close", TENANT, "2026-03", "--at", "2026-03-31T23:59:59Z")
    assert (ran.code, ran.out) == (1, "")
    assert "close it from 2026-04-01T00:00:00Z on" in ran.err


def test_closing_twice_changes_nothing(filled: Shell) -> None:
    close = ["close", "--json", TENANT, "2026-03", "--by", "biller", "--at"]
    assert filled(*close, "2026-04-05T10:00:00Z").rows == [{"accepted": 1, "duplicates": 0, "dead_letters": 0, "closed_lines": 2}]
    told = filled("events", "--json").out
    assert filled(*close, "2026-04-05T10:00:00Z").rows == [{"accepted": 0, "duplicates": 1, "dead_letters": 0, "closed_lines": 0}]
    assert filled(*close, "2026-04-06T10:00:00Z").rows == [{"accepted": 1, "duplicates": 0, "dead_letters": 0, "closed_lines": 0}]
    assert filled("events", "--json").out == told


def test_a_close_of_another_site_leaves_the_lines(filled: Shell) -> None:
    ran = filled("close", "--json", TENANT, "2026-03", "--site", "site-02", "--at", "2026-04-05T10:00:00Z")
    assert ran.rows[0]["closed_lines"] == 0
    assert "no line" in ran.err


def test_a_close_tells_people_what_it_did(filled: Shell) -> None:
    close = ["close", TENANT, "2026-03", "--at"]
    amount = sum(Decimal(row["amount"]) for row in filled("lines", "--json").rows)
    assert filled(*close, "2026-04-05") == Ran(0, f"2 lines closed, ${amount} in all; 0 lines stay held\n", "")
    assert filled(*close, "2026-04-06").out == "0 lines closed, $0.00 in all; 0 lines stay held\n"


@pytest.mark.parametrize("command", ["board", "export", "close"])
@pytest.mark.parametrize(("where", "what"), [(["nobody"], "no event of this tenant"), ([TENANT, "--site", "site-99"], "is not registered")])
def test_a_mistyped_tenant_or_site_is_refused(filled: Shell, command: str, where: list[str], what: str) -> None:
    told = filled("events", "--json").out
    ran = filled(command, where[0], "2026-03", *where[1:], *(["--at", "2026-04-05"] if command == "close" else []))
    assert (ran.code, ran.out) == (1, "")
    assert what in ran.err
    assert ("cannot be taken back" in ran.err) == (command == "close")
    assert filled("events", "--json").out == told


def test_a_close_makes_no_ledger(shell: Shell) -> None:
    assert shell("close", TENANT, "2026-03", "--at", "2026-04-05").code == 1
    assert list(shell.folder.iterdir()) == []


def test_an_invalid_close_is_refused_and_not_parked(filled: Shell) -> None:
    assert filled("close", "No Tenant", "2026-03", "--at", "2026-04-05T10:00:00Z").code == 1
    assert filled("dead-letters", "list", "--json").out == ""


def test_what_comes_after_the_close_is_exported_with_it(filled: Shell) -> None:
    filled("close", TENANT, "2026-03", "--at", "2026-04-05T10:00:00Z")
    assert filled("ingest", filled.file("late.jsonl", story.raw(story.correction()))).code == 0
    (adjustment,) = filled("adjustments", "--json").rows
    assert (adjustment["units_delta"], adjustment["amount_delta"]) == (1, "31.73")
    assert "+1   +$31.73" in filled("adjustments").out
    rows = list(csv.DictReader(io.StringIO(filled("export", TENANT, "2026-03").out)))
    assert [row["record"] for row in rows] == ["line", "line", "adjustment"]
    assert "Adjusted since the close: G3003 +1 units, +$31.73" in filled("explain", TENANT, story.PATIENT, "2026-03").out


def test_the_board_for_machines_and_for_people(filled: Shell) -> None:
    (board,) = filled("board", TENANT, "2026-03", "--as-of", "2026-03-20T12:00:00-04:00", "--json").rows
    assert board["as_of"] == "2026-03-20T16:00:00Z"
    assert [(row["patient_id"], row["untouched"]) for row in board["patients"]] == [(story.PATIENT, False), (story.FORGOTTEN, True)]
    shown = filled("board", TENANT, "2026-03", "--site", story.SITE).out
    assert story.PATIENT in shown
    assert "all sites" in shown
    assert "work days left" in shown
    assert filled("board", TENANT, "2026-03", "--as-of", "2026-03-20", "--json").rows[0]["as_of"] == "2026-03-20T00:00:00Z"
    assert "in quotes" not in filled("board", TENANT, "2026-03", "--as-of", "noon").err


def test_people_see_the_most_urgent_first() -> None:
    order = [("at_risk", 60), ("at_risk", 90), ("on_track", 5), ("reached", 9), ("reached", None), ("blocked", 1), ("impossible", 1)]
    names = ("program", "practitioner_id", "site_id", "seconds", "next_code", "working_days_left")
    rows: list[dict[str, Any]] = [
        {**dict.fromkeys(names, 0), "patient_id": n, "state": s, "missing_seconds": m, "why": []} for n, (s, m) in enumerate(order)
    ]
    assert [row["patient"] for row in board_cells({"patients": rows[::-1]})] == list("0123456")


def test_dead_letters_are_tried_again(shell: Shell) -> None:
    shell("ingest", shell.file("bad.jsonl", b"{}\n"))
    ran = shell("dead-letters", "retry")
    assert (ran.code, ran.rows) == (3, [{"accepted": 0, "duplicates": 0, "dead_letters": 1}])


def test_given_parked_input_when_it_is_tried_again_then_the_oldest_still_comes_first(shell: Shell) -> None:
    shell("ingest", shell.file("z.jsonl", b"{}\n[]\n"))
    shell("ingest", shell.file("a.jsonl", b"null\n"))
    for _ in range(2):
        assert [row["origin"] for row in shell("dead-letters", "list", "--json").rows] == ["z.jsonl:1", "z.jsonl:2", "a.jsonl:1"]
        shell("dead-letters", "retry")


@pytest.mark.parametrize("arguments", [["demo", "--json"], ["--json", "demo"]])
def test_given_a_demo_for_machines_when_asked_for_then_it_is_refused_with_the_reason(shell: Shell, arguments: list[str]) -> None:
    ran = shell(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "--json" in ran.err
    assert "no form for machines" in " ".join(ran.err.split())


def test_given_alerts_for_people_when_listed_then_the_clock_they_are_told_by_is_named(filled: Shell) -> None:
    assert "when (UTC)" in filled("alerts").out.splitlines()[0]


def test_verifying_counts_or_tells_differences(filled: Shell) -> None:
    ran = filled("verify")
    assert (ran.code, ran.out.split()[0]) == (0, "verified")
    assert filled("verify", "--json").rows == [{"patient_months": int(ran.out.split()[1]), "differences": 0}]
    with sqlite3.connect("caremonth.db") as database:
        database.execute("UPDATE lines SET status = 'gone' WHERE code = 'G3003'")
    database.close()
    ran = filled("verify", "--json")
    assert ran.code == 1
    assert [list(row) for row in ran.rows] == [["difference"]] * len(ran.rows) != []


def test_rules_are_listed_shown_and_checked(shell: Shell) -> None:
    listed = shell("rules", "list", "--json").rows
    assert [row["legal_status"] for row in listed] == ["final", "proposed"]
    assert shell("rules", "list", "--rules", str(PACKAGED / "proposed-2027"), "--json").rows == listed[1:]
    assert "one for each full 15:00" in shell("rules", "show", "g3003").out
    assert shell("rules", "show", "G3003", "--json").rows[0]["program"] == "CPM"
    assert shell("rules", "show", "X0000").err.startswith("caremonth: no rule for the code 'X0000'")
    assert shell("rules", "check", str(PACKAGED)).code == 0
    assert shell("rules", "check", str(PACKAGED), "--json") == Ran(0, '{"problems":[]}\n', "")
    shell.file("ruleset.yaml", b"id: [")
    ran = shell("rules", "check", ".", "--json")
    assert (ran.code, list(ran.rows[0])) == (1, ["problem"])
    assert shell("rules", "check", "absent").code == 1


def test_a_ledger_lists_the_rules_it_was_decided_by(filled: Shell) -> None:
    listed = filled("rules", "list", "--rules", str(PACKAGED / "proposed-2027"), "--json").rows
    assert [row["legal_status"] for row in listed] == ["final", "proposed"]
    assert filled("ingest", "events.jsonl", "--rules", str(PACKAGED / "proposed-2027")).code == 1


def test_a_sample_is_the_same_for_the_same_options(shell: Shell) -> None:
    options = ["sample", "--patients", "3", "--months", "1", "--sites", "2", "--seed", "5"]
    first = shell(*options).out
    assert first == shell(*options).out
    assert shell("ingest", shell.file("sample.jsonl", first.encode())).code == 0
    assert "care.month.closed.v1" in shell(*options, "--close", "--first-month", "2026-02").out
    assert shell("sample", "--months", "5000").code == 2


def test_nothing_from_outside_acts_on_a_terminal(shell: Shell) -> None:
    shell("ingest", shell.file("\x1b[31m.jsonl", b'{"id":"\x1b[2J\xc2\x9b"}\nnull\n'))
    for form in ([], ["--json"]):
        ran = shell("dead-letters", "list", *form)
        assert ran.out.isprintable() or all(character == "\n" or character.isprintable() for character in ran.out)
    missing = shell("ingest", "\x1b]0;x\x07")
    assert missing.err.count("\x1b") == missing.err.count("\x07") == 0
    assert clean("a\x1b\u202eb\x7f") == "a\\x1b\\u202eb\\x7f"


def test_an_unexpected_error_tells_its_type_only(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise ValueError("P-maple has M54.5")

    monkeypatch.setattr("ledger.Reader.lines", fails)
    ran = filled("lines")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("caremonth: unexpected ValueError;")
    assert "P-maple" not in ran.err
    monkeypatch.setenv("CAREMONTH_DEBUG", "1")
    assert "Traceback" in filled("lines").err


def test_the_program_keeps_its_streams_apart(tmp_path: Path) -> None:
    ran = program(["ingest", "-"], tmp_path, input=b"nonsense\n", env=os.environ | {"CAREMONTH_DATABASE_URL": "sqlite:///x.db"})
    assert (ran.returncode, json.loads(ran.stdout)) == (3, {"accepted": 0, "duplicates": 0, "dead_letters": 1})
    assert ran.stderr.decode() == "1 went to the dead letters; `caremonth dead-letters list` says why\n"
    assert (tmp_path / "x.db").exists()


def test_whoever_stops_reading_is_not_told_off(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "caremonth", "sample", "--patients", "400"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline())["specversion"] == "1.0"
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 0


def test_help_says_what_cannot_be_guessed(shell: Shell) -> None:
    assert "moves the calendar, not the facts" in " ".join(shell("board", "--help").out.split())
    assert "A close cannot be taken back" in " ".join(shell("close", "--help").out.split())


@pytest.mark.skipif(which("make") is None, reason="needs make")
def test_setting_up_says_first_what_it_does() -> None:
    calm = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    command = ["make", "-n", "--no-print-directory", "setup", "VENV=absent"]
    recipe = subprocess.run(command, cwd=ROOT, env=calm, capture_output=True, check=True, text=True, timeout=10)
    assert recipe.stdout.startswith('echo "Setting up absent')


def test_story_times_are_in_order() -> None:
    times = [datetime.fromisoformat(event["time"]) for event in story.stream()]
    assert times == sorted(times)
