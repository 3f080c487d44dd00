"""The commands (docs/contract.md §4). Each is thin, and imports only when it runs: `--help` must answer at once."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from caremonth import cli_streams
from caremonth.cli_groups import dead_letters, rules, tokens
from caremonth.cli_options import ALSO, DATABASE, DATABASE_HELP, Month, OnlySite, Settings, Tenant, instant, month, settings_of, version
from caremonth.cli_replay import replay
from caremonth.cli_topics import topics

_FORM: Final = {"max_content_width": 110, "help_option_names": ["--help", "-h"]}

_AS_OF: Final = "A time or date to judge by; now, if not given. It moves the calendar, not the facts: those are always all known now."

app = typer.Typer(
    name="caremonth",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=_FORM,
    epilog="Results go to stdout, everything else to stderr. Exit: 0 done; 1 cannot be met; 2 wrong usage; 3 done, with dead letters.",
)


@app.callback()
def caremonth(
    context: typer.Context,
    db: Annotated[str, typer.Option(envvar="CAREMONTH_DATABASE_URL", metavar="URL", help=DATABASE_HELP)] = DATABASE,
    json: Annotated[bool, typer.Option("--json", help="For machines: one JSON object a line.")] = False,
    rules_from: Annotated[
        Path | None, typer.Option("--rules", envvar="CAREMONTH_RULES", metavar="DIR", help="Rule files other than the packaged ones.")
    ] = None,
    sync: Annotated[
        Literal["full", "normal"], typer.Option(help="full: a power loss undoes nothing; normal: perhaps the last commits, whole.")
    ] = "normal",
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Say the version, and how it runs.")] = False,
) -> None:
    """What happened in care in, what may be billed out, with the reason for every second."""
    context.obj = Settings(db, json, rules_from, sync == "full")


@app.command(epilog=ALSO)
def demo(context: typer.Context) -> None:
    """A tour: three sites through the whole pipeline.

    It runs in a ledger of its own, which is thrown away. It is told to people: there is no --json of it.
    """
    if settings_of(context).json:
        raise typer.BadParameter("the demo is told to people and has no form for machines; leave it out", param_hint="'--json'")
    from caremonth.demo import run

    run()


@app.command(epilog=ALSO)
def ingest(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files of events, one JSON object a line; - is the standard input.")
    ],
) -> None:
    """Take events in; what cannot be taken is parked.

    Returns when everything due is decided. Prints how many events were accepted, known already, and parked.
    """
    import sys

    from caremonth.cli_intake import end_with, inputs_of, progress_of
    from caremonth.cli_ledger import opened

    inputs = inputs_of(files)
    watched = sys.stderr.isatty()
    with opened(settings_of(context), create=True) as ledger:
        summary = ledger.ingest(inputs, progress=progress_of if watched else None)
    if watched:
        sys.stderr.write("\r\033[K")
    end_with(summary)


@app.command(epilog=ALSO)
def lines(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="T", help="Only this tenant.")] = None,
    month: Annotated[str | None, typer.Option(parser=month, metavar="M", help="Only this month, such as 2026-03.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="P", help="Only this patient.")] = None,
) -> None:
    """What may be billed now, what is held, what is closed."""
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import LINES

    settings = settings_of(context)
    with opened_to_read(settings) as ledger:
        put_rows(ledger.lines(tenant, month, patient), LINES, as_json=settings.json, nothing="no lines")


@app.command(epilog=ALSO)
def explain(context: typer.Context, tenant: Tenant, patient: Annotated[str, typer.Argument(metavar="PATIENT")], month: Month) -> None:
    """Every second of a patient's month: counted, or why not.

    Each line with its rule, what is missing for the next code, and what a line is held for.
    """
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_json

    settings = settings_of(context)
    with opened_to_read(settings) as ledger:
        if settings.json:
            put_json(ledger.explain(tenant, patient, month))
            return
        from caremonth.cli_output import put_tree
        from caremonth.explain_text import explained

        put_tree(explained(ledger, tenant, patient, month))


@app.command(epilog=ALSO)
def events(
    context: typer.Context,
    after: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, metavar="N", help="Only decisions after this position (their `sequence`).")
    ] = 0,
) -> None:
    """The decisions, in order: one CloudEvent in JSON a line, also without --json."""
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_json

    with opened_to_read(settings_of(context)) as ledger:
        for event in ledger.events(after):
            put_json(event)


@app.command(epilog=ALSO)
def alerts(context: typer.Context) -> None:
    """Thresholds near and reached, double bookings, adjustments."""
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import ALERTS

    settings = settings_of(context)
    with opened_to_read(settings) as ledger:
        put_rows(ledger.alerts(), ALERTS, as_json=settings.json, nothing="no alerts")


@app.command(epilog=ALSO)
def adjustments(context: typer.Context) -> None:
    """What changed after a month's close."""
    from caremonth.cli_ledger import opened_to_read
    from caremonth.cli_output import put_rows
    from caremonth.cli_text import ADJUSTMENTS

    settings = settings_of(context)
    with opened_to_read(settings) as ledger:
        put_rows(ledger.adjustments(), ADJUSTMENTS, as_json=settings.json, nothing="no adjustments")


@app.command(epilog=ALSO)
def board(
    context: typer.Context,
    tenant: Tenant,
    month: Month,
    site: OnlySite = None,
    as_of: Annotated[int | None, typer.Option(parser=instant, metavar="TIME", help=_AS_OF)] = None,
) -> None:
    """Who can still reach the next code, and each site's sums."""
    from time import time

    from caremonth.cli_board import put_board
    from caremonth.cli_ledger import opened, require_known
    from projections.board import board_rows
    from projections.run import catch_up

    settings = settings_of(context)
    with opened(settings) as ledger:
        require_known(ledger, tenant, site)
        catch_up(ledger.engine)
        put_board(board_rows(ledger.engine, tenant, month, site, int(time()) if as_of is None else as_of), as_json=settings.json)


@app.command(epilog=ALSO)
def export(context: typer.Context, tenant: Tenant, month: Month, site: OnlySite = None) -> None:
    """A CSV of closed lines and adjustments for claims."""
    from caremonth.cli_ledger import opened, require_known
    from caremonth.cli_output import put
    from projections.export import export_csv
    from projections.run import catch_up

    with opened(settings_of(context)) as ledger:
        require_known(ledger, tenant, site)
        catch_up(ledger.engine)
        for line in export_csv(ledger.engine, tenant, month, site):
            put(line)


@app.command(epilog=ALSO)
def close(
    context: typer.Context,
    tenant: Tenant,
    month: Month,
    site: Annotated[str | None, typer.Option(metavar="S", help="Only this site's lines; all, if not given.")] = None,
    by: Annotated[str | None, typer.Option(metavar="WHO", help="Who closes it; the login name, if not given.")] = None,
    at: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="A time or date when it is closed; now, if not given.")
    ] = None,
) -> None:
    """Close a month: its ready lines become final.

    So do those that awaited the close. A close cannot be taken back: what changes later is proposed as an adjustment.
    """
    from time import time

    from caremonth.cli_close import close_month, operator
    from caremonth.cli_ledger import opened
    from caremonth.cli_output import note, put, put_json

    settings = settings_of(context)
    with opened(settings) as ledger:
        closed = close_month(ledger, tenant, month, site, int(time()) if at is None else at, operator() if by is None else by)
    if settings.json:
        put_json(closed.as_json())
    else:
        put(str(closed))
    if not closed.lines:
        note("no line of that month was ready or awaiting its close")


@app.command(epilog=ALSO)
def rebuild(
    context: typer.Context,
    decide: Annotated[bool, typer.Option("--decide", help="Then decide every patient-month again, whatever stands.")] = False,
) -> None:
    """Drop what is made of the events, and make it anew.

    Facts, bookings, registrations and views are made again from the bytes of the events and decisions; lines stay, with their revisions and
    what was closed. Tells which tables had been otherwise, and as `verify` does what still is; exit 1 then.
    """
    from caremonth.rebuilt import put_rebuilt

    put_rebuilt(settings_of(context), decide=decide)


@app.command(epilog=ALSO)
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
    if settings.json:
        put_json({"patient_months": count, "differences": 0})
    else:
        put(f"verified {count} patient-months")


@app.command(epilog=ALSO)
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


@app.command(epilog=ALSO)
def serve(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; one that others reach needs --tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 for any that is free.")] = 8080,
    tokens_from: Annotated[
        Path | None,
        typer.Option("--tokens", envvar="CAREMONTH_TOKENS", metavar="FILE", help="Who may do what; made by `caremonth tokens new`."),
    ] = None,
    max_body: Annotated[int, typer.Option(min=1024, metavar="BYTES", help="The largest body of one request.")] = 8 * 1024 * 1024,
    max_events: Annotated[int, typer.Option(min=1, metavar="N", help="The most events in one request.")] = 10_000,
) -> None:
    """The HTTP interface: events in, lines and decisions out.

    Without --tokens it listens on this machine only and lets everybody there do everything. What is answered with 202 outlives a power
    loss, unless --sync normal is given. Logs go to stderr, a JSON object a line.
    """
    from caremonth.cli_serve import Address
    from caremonth.cli_serve import serve as run

    chosen = context.find_root().get_parameter_source("sync")
    settings = settings_of(context)
    full = settings.full_sync or (chosen is not None and chosen.name == "DEFAULT")
    run(settings._replace(full_sync=full), Address(host, port), tokens_from, max_body, max_events)


app.add_typer(dead_letters, name="dead-letters")
app.add_typer(tokens, name="tokens")
app.add_typer(rules, name="rules")
app.add_typer(replay, name="replay")
app.add_typer(topics, name="topics")
app.add_typer(cli_streams.positions, name="positions")
for command in (cli_streams.worker, cli_streams.relay, cli_streams.send, cli_streams.reconcile):
    app.command(epilog=ALSO)(command)


def only(name: str | None) -> typer.Typer:
    """The program with the one command that is asked for: the options of all others need not be built. All of it, if there is none such."""
    commands = [one for one in app.registered_commands if one.callback is not None and one.callback.__name__ == name]
    groups = [one for one in app.registered_groups if one.name == name]
    if not commands and not groups:
        return app
    small = copy(app)
    small.registered_commands, small.registered_groups = commands, groups
    return small
