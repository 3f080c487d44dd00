"""`rebuild`: derived tables dropped and made anew."""

from __future__ import annotations

import typer

from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import note, put_json
from ledger.rebuilding import decide_again, rebuild
from projections import run


def put_rebuilt(settings: Settings, *, decide: bool) -> None:
    """Rebuild the ledger's tables and the views, and say what was otherwise; exit 1 where something still is."""
    with opened(settings) as ledger:
        done = rebuild(ledger.engine, ledger.settle)
        if decide:
            decide_again(ledger.engine, ledger.settle)
        read = run.rebuild(ledger.engine)
        differences = ledger.verify()
    if settings.json:
        changed = [{"table": name, "rows_before": before, "rows_after": after} for name, before, after in done.changed]
        put_json({"events": done.events, "decisions": read, "changed": changed, "differences": differences})
    else:
        typer.echo(f"made anew from {done.events:,} events and {read:,} decisions")
        for name, before, after in done.changed:
            typer.echo(f"{name} was otherwise: {before:,} rows before, {after:,} now")
        typer.echo("\n".join(differences) or ("all else is as it was" if done.changed else "every table is as it was"))
    if differences:
        note("what is told here is history and no function of the events, so it stays; restore it from a backup, or --decide again")
        raise typer.Exit(1)
