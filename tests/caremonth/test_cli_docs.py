"""The page of commands says what the commands say."""

from tools import cli_docs
from tools.docs import offers


def test_the_page_is_what_the_help_texts_say() -> None:
    assert cli_docs.PAGE.read_text(encoding="utf-8") == cli_docs.text(), "run `python -m tools.cli_docs`"


def test_no_command_is_left_out() -> None:
    listing = cli_docs.help_of()
    assert all(offers(listing, command.split()[0]) for command in cli_docs.COMMANDS)
    words = [line.split()[0] for line in listing.partition("Commands:")[2].splitlines() if line.startswith("  ") and len(line) > 16]
    assert {command.split()[0] for command in cli_docs.COMMANDS} >= set(words) - {"Results", "met;"}
