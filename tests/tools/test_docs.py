"""Docs that say what is not there are found."""

from pathlib import Path

import pytest

from tools.docs import adr_problems, code_of, command_help, command_problems, example_problems, link_problems, offers, target_problems

HELP = {
    (): "Usage: caremonth [OPTIONS] COMMAND [ARGS]...\n│ explain       The reasons. │\n│ dead-letters  Parked input. │\n",
    ("explain",): "Usage: caremonth explain [OPTIONS] TENANT PATIENT MONTH\n",
    ("dead-letters",): "Usage: caremonth dead-letters [OPTIONS] COMMAND [ARGS]...\n│ list  All of them. │\n",
}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text("setup: x\ntest: setup\n.PHONY: setup\n", encoding="utf-8")
    return tmp_path / "README.md"


def help_of(*words: str) -> str:
    return HELP.get(words, "")


def test_a_link_that_leads_nowhere_is_named(page: Path) -> None:
    page.write_text("[a](Makefile) [b](docs/gone.md#x) [c](https://example.org) [d](#here)\n```\n[e](no-link)\n```\n", encoding="utf-8")
    assert list(link_problems([page], page.parent)) == ["README.md links to docs/gone.md#x, which is not there"]


def test_a_target_is_looked_for_in_code_only(page: Path) -> None:
    page.write_text("make haste, then `make test`:\n```\nmake setup\n$ make fly\n```\n", encoding="utf-8")
    assert list(target_problems([page], page.parent)) == ["README.md names `make fly`, which the Makefile has not"]


def test_a_decision_that_is_not_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("[0001](0001-rooms.md)\n", encoding="utf-8")
    for name in ("0001-rooms.md", "0002-decide.md", "template.md"):
        (tmp_path / name).touch()
    assert list(adr_problems(tmp_path)) == ["docs/adr/README.md does not list 0002-decide.md"]


def test_commands_are_looked_for_in_the_programs_own_help(page: Path) -> None:
    page.write_text(
        "caremonth decides. `caremonth explain acme P-1`, `caremonth dead-letters list`, `caremonth dead-letters burn`\n"
        "```\n.venv/bin/caremonth fly --fast\n```\n",
        encoding="utf-8",
    )
    assert list(command_problems(page, help_of)) == [
        "README.md names `caremonth dead-letters burn`, which `caremonth dead-letters --help` does not show",
        "README.md names `caremonth fly`, which `caremonth --help` does not show",
    ]


def test_a_help_row_is_the_whole_command() -> None:
    assert offers(HELP[()], "explain")
    assert not offers(HELP[()], "dead")


def test_the_programs_help_is_read() -> None:
    assert offers(command_help(), "explain")
    assert command_help("no-such-command") == ""


def test_an_example_that_fails_is_named_with_its_error(page: Path) -> None:
    page.write_text("```python\nprint(1)\n```\ntext\n```python\nraise ValueError('no')\n```\n", encoding="utf-8")
    assert list(example_problems(page)) == ["README.md: Python example 2 fails with ValueError: no"]


def test_code_is_fences_and_spans(page: Path) -> None:
    page.write_text("`one`\n```sh\ntwo `three`\n```\n", encoding="utf-8")
    assert code_of(page) == ["two `three`\n", "one"]
