"""`rebuild`: derived tables dropped and made anew."""

from __future__ import annotations

import typer

from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import put_json
from ledger.rebuilding import rebuild
from projections import run


def put_rebuilt(settings: Settings) -> None:
    """Rebuild the ledger's tables and the views, and say what was otherwise."""
    with opened(settings) as ledger:
        done = rebuild(ledger.engine, ledger.settle)
        read = run.rebuild(ledger.engine)
    if settings.json:
        changed = [{"table": name, "rows_before": before, "rows_after": after} for name, before, after in done.changed]
        put_json({"events": done.events, "decisions": read, "changed": changed})
        return
    typer.echo(f"made anew from {done.events:,} events and {read:,} decisions")
    for name, before, after in done.changed:
        typer.echo(f"{name} was otherwise: {before:,} rows before, {after:,} now")
    if not done.changed:
        typer.echo("every table is as it was")
