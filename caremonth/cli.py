"""The commands (docs/contract.md §4). Each is thin, and imports only when it runs: `--help` must answer at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from caremonth.cli_options import DATABASE, Settings, instant, month, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger import Summary

_ALSO: Final = "Before or after the command: --db URL, --json, --rules DIR, --sync full|normal (see caremonth --help)."
_FORM: Final = {"max_content_width": 110, "help_option_names": ["--help", "-h"]}

app = typer.Typer(
    name="caremonth",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=_FORM,
    epilog="Results go to stdout, everything else to stderr. Exit: 0 done; 1 cannot be met; 2 wrong usage; 3 done, with dead letters.",
)
dead_letters = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The parked input: list it, or try it again.")
rules = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The rules with their dates and sources.")

Month = Annotated[str, typer.Argument(parser=month, metavar="MONTH", help="A calendar month such as 2026-03.")]
Tenant = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
OnlySite = Annotated[str | None, typer.Option("--site", metavar="S", help="Only this site.")]


@app.callback()
def caremonth(
    context: typer.Context,
    db: Annotated[str, typer.Option(envvar="CAREMONTH_DATABASE_URL", metavar="URL", help="The ledger's database.")] = DATABASE,
    json: Annotated[bool, typer.Option("--json", help="For machines: one JSON object a line.")] = False,
    rules: Annotated[Path | None, typer.Option(envvar="CAREMONTH_RULES", metavar="DIR", help="Rule files other than the packaged ones.")] = None,
    sync: Annotated[
        Literal["full", "normal"], typer.Option(help="full: a power loss undoes nothing; normal: perhaps the last commits, whole.")
    ] = "normal",
) -> None:
    """What happened in care in, what may be billed out, with the reason for every second."""
    context.obj = Settings(db, json, rules, sync == "full")


@app.command(epilog=_ALSO)
def demo() -> None:
    """A tour: three sites through the whole pipeline.

    It runs in a ledger of its own, which is thrown away.
    """
    from caremonth.demo import run

    run()


@app.command(epilog=_ALSO)
def ingest(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of events, one JSON object a line; - is the standard input.")],
) -> None:
    """Take events in; what cannot be taken is parked.

    Returns when everything due is decided. Prints how many events were accepted, known already, and parked.
    """
    import sys

    from caremonth.cli_ledger import inputs_of, opened, progress_of

    inputs = inputs_of(files)
    watched = sys.stderr.isatty()
    with opened(settings_of(context), create=True) as ledger:
        summary = ledger.ingest(inputs, progress=progress_of if watched else None)
    if watched:
        sys.stderr.write("\r\033[K")
    _end_with(summary)


@app.command(epilog=_ALSO)
def lines(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="T", help="Only this tenant.")] = None,
    month: Annotated[str | None, typer.Option(parser=month, metavar="M", help="Only this month, such as 2026-03.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="P", help="Only this patient.")] = None,
) -> None:
    """What may be billed now, what is held, what is closed."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import LINES

    settings = settings_of(context)
    with opened(settings) as ledger:
        put_rows(ledger.lines(tenant, month, patient), LINES, as_json=settings.json, nothing="no lines")


@app.command(epilog=_ALSO)
def explain(context: typer.Context, tenant: Tenant, patient: Annotated[str, typer.Argument(metavar="PATIENT")], month: Month) -> None:
    """Every second of a patient's month: counted, or why not.

    Each line with its rule, what is missing for the next code, and what a line is held for.
    """
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_json

    settings = settings_of(context)
    with opened(settings) as ledger:
        if settings.json:
            put_json(ledger.explain(tenant, patient, month))
            return
        from caremonth.cli_output import put_tree
        from caremonth.explain_text import explained

        put_tree(explained(ledger, tenant, patient, month))


@app.command(epilog=_ALSO)
def events(
    context: typer.Context,
    after: Annotated[int, typer.Option(min=0, metavar="N", help="Only decisions after this position (their `sequence`).")] = 0,
) -> None:
    """The decisions, in order."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put, put_json
    from caremonth.cli_text import event_line

    settings = settings_of(context)
    with opened(settings) as ledger:
        for event in ledger.events(after):
            if settings.json:
                put_json(event)
            else:
                put(event_line(event))


@app.command(epilog=_ALSO)
def alerts(context: typer.Context) -> None:
    """Thresholds near and reached, double bookings, adjustments."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import ALERTS

    settings = settings_of(context)
    with opened(settings) as ledger:
        put_rows(ledger.alerts(), ALERTS, as_json=settings.json, nothing="no alerts")


@app.command(epilog=_ALSO)
def adjustments(context: typer.Context) -> None:
    """What changed after a month's close."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import ADJUSTMENTS

    settings = settings_of(context)
    with opened(settings) as ledger:
        put_rows(ledger.adjustments(), ADJUSTMENTS, as_json=settings.json, nothing="no adjustments")


@app.command(epilog=_ALSO)
def board(
    context: typer.Context,
    tenant: Tenant,
    month: Month,
    site: OnlySite = None,
    as_of: Annotated[int | None, typer.Option(parser=instant, metavar="TIME", help="The instant to judge by; now, if not given.")] = None,
) -> None:
    """Who can still reach the next code, and each site's sums."""
    from time import time

    from caremonth.cli_ledger import opened
    from caremonth.cli_views import put_board
    from projections.board import board_rows
    from projections.run import catch_up

    settings = settings_of(context)
    with opened(settings) as ledger:
        catch_up(ledger.engine)
        put_board(board_rows(ledger.engine, tenant, month, site, int(time()) if as_of is None else as_of), as_json=settings.json)


@app.command(epilog=_ALSO)
def export(context: typer.Context, tenant: Tenant, month: Month, site: OnlySite = None) -> None:
    """A CSV of closed lines and adjustments for claims."""
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put
    from projections.export import export_csv
    from projections.run import catch_up

    with opened(settings_of(context)) as ledger:
        catch_up(ledger.engine)
        for line in export_csv(ledger.engine, tenant, month, site):
            put(line)


@app.command(epilog=_ALSO)
def close(
    context: typer.Context,
    tenant: Tenant,
    month: Month,
    site: Annotated[str | None, typer.Option(metavar="S", help="Only this site's lines; all, if not given.")] = None,
    by: Annotated[str | None, typer.Option(metavar="WHO", help="Who closes it; the login name, if not given.")] = None,
    at: Annotated[int | None, typer.Option(parser=instant, metavar="TIME", help="When it is closed; now, if not given.")] = None,
) -> None:
    """Close a month: its ready lines become final.

    So do those that awaited the close. What changes later is proposed as an adjustment.
    """
    from time import time

    from caremonth.cli_ledger import close_month, opened, operator
    from caremonth.cli_output import note, put_json

    with opened(settings_of(context), create=True) as ledger:
        closed = close_month(ledger, tenant, month, site, int(time()) if at is None else at, operator() if by is None else by)
    put_json(closed)
    if not closed["closed_lines"]:
        note("no line of that month was ready or awaiting its close")


@app.command(epilog=_ALSO)
def verify(context: typer.Context) -> None:
    """Compute everything again and compare with the stored.

    Exit 1 and the differences, if there are any.
    """
    from caremonth.cli_ledger import opened, patient_months
    from caremonth.cli_output import clean, put, put_json

    settings = settings_of(context)
    with opened(settings) as ledger:
        differences = ledger.verify()
        count = patient_months(ledger)
    for difference in differences:
        if settings.json:
            put_json({"difference": difference})
        else:
            put(clean(difference))
    if differences:
        raise typer.Exit(1)
    if not settings.json:
        put(f"verified {count} patient-months")


@app.command(epilog=_ALSO)
def sample(
    patients: Annotated[int, typer.Option(min=1, metavar="N", help="How many patients.")] = 20,
    months: Annotated[int, typer.Option(min=1, metavar="M", help="How many months.")] = 2,
    sites: Annotated[int, typer.Option(min=1, metavar="S", help="How many sites, in several time zones.")] = 3,
    seed: Annotated[int, typer.Option(metavar="K", help="Other seeds, other streams; the same seed, the same bytes.")] = 1,
    first_month: Annotated[
        str | None, typer.Option(parser=month, metavar="M", help="The first month; without it the last is 2026-10 or later.")
    ] = None,
    close: Annotated[bool, typer.Option("--close", help="Close each site's month a few days after its end.")] = False,
    bad: Annotated[float, typer.Option(min=0, max=1, metavar="SHARE", help="The share of lines to follow with a broken copy.")] = 0.0,
) -> None:
    """A realistic stream of made-up events.

    The same for the same options, on any machine.
    """
    from itertools import islice

    from caremonth.cli_output import write
    from caremonth.sample import sample as stream

    try:
        made = stream(patients, months, sites, seed, first_month=first_month, close=close, bad=bad)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    while part := list(islice(made, 1000)):
        write("\n".join(part) + "\n")


@dead_letters.command("list", epilog=_ALSO)
def dead_letters_list(context: typer.Context) -> None:
    """The parked input, with the reason and the fix.

    With --json also its raw bytes.
    """
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import DEAD_LETTERS

    settings = settings_of(context)
    with opened(settings) as ledger:
        put_rows(ledger.dead_letters(), DEAD_LETTERS, as_json=settings.json, nothing="no dead letters")


@dead_letters.command("retry", epilog=_ALSO)
def dead_letters_retry(context: typer.Context) -> None:
    """Take all parked input in again, after a fix."""
    from caremonth.cli_ledger import opened

    with opened(settings_of(context)) as ledger:
        summary = ledger.retry_dead_letters()
    _end_with(summary)


@rules.command("list", epilog=_ALSO)
def rules_list(context: typer.Context) -> None:
    """The rule sets and their codes.

    The ledger's first, then those the program carries; each code with its first and last day.
    """
    from caremonth.cli_views import put_rule_sets

    put_rule_sets(settings_of(context))


@rules.command("show", epilog=_ALSO)
def rules_show(context: typer.Context, code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as G3002.")]) -> None:
    """A code's dated values, each with its citations."""
    from caremonth.cli_views import put_code

    put_code(settings_of(context), code)


@rules.command("check", epilog=_ALSO)
def rules_check(context: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of rule files.")]) -> None:
    """Whether the rule files of a folder can be followed.

    Exit 1 and the problem, if not.
    """
    from caremonth.cli_views import put_problems

    if put_problems(folder, as_json=settings_of(context).json):
        raise typer.Exit(1)


app.add_typer(dead_letters, name="dead-letters")
app.add_typer(rules, name="rules")


def _end_with(summary: Summary) -> None:
    """Print the summary of an intake; exit 3 where something was parked."""
    from caremonth.cli_ledger import counts
    from caremonth.cli_output import note, put_json

    put_json(counts(summary))
    if summary.dead_letters:
        note(f"{summary.dead_letters} went to the dead letters; `caremonth dead-letters list` says why")
        raise typer.Exit(3)
