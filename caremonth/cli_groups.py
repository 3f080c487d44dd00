"""The commands that have commands of their own: `dead-letters`, `rules` and `tokens`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from caremonth.cli_options import ALSO, settings_of

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of rule files.")]
By = Annotated[str, typer.Option(metavar="WHO", help="Who decides.")]
Reason = Annotated[str, typer.Option(metavar="WHY", help="Why.")]

dead_letters = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The parked input: list it, or try it again.")
tokens = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Who may use the HTTP interface.")
rules = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The rules with their dates and sources.")


@dead_letters.command("list", epilog=ALSO)
def dead_letters_list(context: typer.Context) -> None:
    """The parked input, with the reason and the fix.

    With --json also its raw bytes.
    """
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import DEAD_LETTERS

    settings = settings_of(context)
    with opened_to_read(settings) as ledger:
        put_rows(ledger.dead_letters(), DEAD_LETTERS, as_json=settings.json, nothing="no dead letters")


@dead_letters.command("retry", epilog=ALSO)
def dead_letters_retry(context: typer.Context) -> None:
    """Take all parked input in again, after a fix."""
    from caremonth.cli_intake import end_with
    from caremonth.cli_ledger import opened

    with opened(settings_of(context)) as ledger:
        summary = ledger.retry_dead_letters()
    end_with(summary)


@rules.command("list", epilog=ALSO)
def rules_list(context: typer.Context) -> None:
    """The rule sets and their codes.

    The ledger's first, then those the program carries; each code with its first and last day.
    """
    from caremonth.cli_rules import put_rule_sets

    put_rule_sets(settings_of(context))


@rules.command("show", epilog=ALSO)
def rules_show(
    context: typer.Context,
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as G3002.")],
    rule_set: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A folder of rule files, or a rule set's id or digest; the one in force, if not given."),
    ] = None,
) -> None:
    """A code's dated values, each with its citations."""
    from caremonth.cli_rules import put_code

    put_code(settings_of(context), code, rule_set)


@rules.command("check", epilog=ALSO)
def rules_check(context: typer.Context, folder: Folder) -> None:
    """Whether the rule files of a folder can be followed.

    Exit 1 and the problems, if not. Where there is a ledger, a value of months that are closed in it may differ from its rules only with a
    `note` that says why. It warns where a code's `rule` does not say its new value.
    """
    from caremonth.cli_rules import put_problems

    if put_problems(settings_of(context), folder):
        raise typer.Exit(1)


@rules.command("diff", epilog=ALSO)
def rules_diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="A", help="A folder of rule files, or a rule set's id or digest (6 digits or more).")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, for what it is compared with.")],
) -> None:
    """What differs between two rule sets, value by value.

    Each with its days and the citations of both sides. Where only those differ, it says so.
    """
    from caremonth.cli_rules import put_difference

    put_difference(settings_of(context), before, after)


@rules.command("approve", epilog=ALSO)
def rules_approve(context: typer.Context, folder: Folder, by: By, reason: Reason) -> None:
    """Approve a rule set: the ledger keeps it whole.

    With who and why. Nothing is decided by it yet. Refused for proposals, and for what `rules check` refuses.
    """
    from caremonth.cli_approvals import approve

    approve(settings_of(context), folder, by, reason)


@rules.command("retire", epilog=ALSO)
def rules_retire(
    context: typer.Context,
    rule_set: Annotated[str, typer.Argument(metavar="ID", help="The id of a rule set of the ledger, or its digest (6 digits or more).")],
    by: By,
    reason: Reason,
) -> None:
    """Say that a rule set is not to be used again.

    It stays in the ledger with what it decided. Refused for one that is in force.
    """
    from caremonth.cli_approvals import retire

    retire(settings_of(context), rule_set, by, reason)


@tokens.callback()
def tokens_group() -> None:
    """Who may use the HTTP interface."""


@tokens.command("new", epilog=ALSO)
def tokens_new(
    context: typer.Context,
    tenants: Annotated[list[str], typer.Argument(metavar="TENANT...", help="The tenants it is for; '*' for all.")],
    file: Annotated[Path, typer.Option("--tokens", envvar="CAREMONTH_TOKENS", metavar="FILE", help="The file that gets its digest.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called there; made of the tenants, if not given.")] = None,
    only: Annotated[Literal["read", "write"] | None, typer.Option(help="Only this right; both, if not given.")] = None,
) -> None:
    """Make a token and print it, this once.

    The file keeps a digest, from which nobody can make the token. A running server reads the file when it starts.
    """
    from caremonth.cli_serve import new_token

    new_token(file, tenants, name, [only] if only else ["read", "write"], as_json=settings_of(context).json)
