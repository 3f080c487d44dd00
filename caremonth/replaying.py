"""Plans made, carried out and taken back from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import typer

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import note, put_json
from caremonth.cli_text import dollars
from ledger import Ledger, applying, plans
from ledger.activations import Activation
from ledger.applying import Word
from ledger.forecast import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from ledger.rule_files import PACKAGED
from ledger.rules import load


class Asked(NamedTuple):
    """What a plan is asked about, and where it goes."""

    out: Path
    tenant: str | None
    first: str | None
    last: str | None
    site: str | None
    family: str | None
    everything: bool
    processes: int | None
    without: tuple[str, ...] = ()
    as_of: int | None = None

    @property
    def scope(self) -> Scope:
        """Tenant, months and what is shown."""
        return Scope(self.tenant, Span(self.first, self.last), self.site, self.family)


def plan(settings: Settings, asked: Asked) -> None:
    """Make a plan and say what it comes to; RefusedError where the months or the place of the file cannot be."""
    if asked.first and asked.last and asked.last < asked.first:
        raise RefusedError(f"--to {asked.last} is before --from {asked.first}; name the earlier month first")
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        try:
            raw = _made(settings, asked, ledger)
            _write(asked.out, raw)
        except OSError as error:
            raise RefusedError(f"the plan cannot be written: {error.strerror}: {asked.out}") from None
    _tell(settings, asked.out, plans.parse(raw).document)


def _made(settings: Settings, asked: Asked, ledger: Ledger) -> bytes:
    progress = _progress if sys.stderr.isatty() else None
    if asked.without or asked.as_of is not None:
        from ledger import whatif

        other = load(settings.rules) if settings.rules else None
        return whatif.make(ledger.engine, other, asked.scope, whatif.Facts(asked.without, asked.as_of), progress)
    journal = asked.out.with_name(f"{asked.out.name}.partial")
    return make(
        ledger.engine, load(settings.rules or PACKAGED), asked.scope, everything=asked.everything, workers=asked.processes, journal=journal,
        progress=progress,
    )  # fmt: skip


def _write(path: Path, raw: bytes) -> None:
    """Whole or not at all: a plan that is read is one that was finished."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(raw)
    beside.replace(path)


def _progress(done: int, parts: int) -> None:
    end = "\r\033[K" if done == parts else ""
    sys.stderr.write(f"\r{100 * done // parts} % decided{end}")
    sys.stderr.flush()


def _tell(settings: Settings, out: Path, document: dict[str, Any]) -> None:
    totals = document["totals"]
    if settings.json:
        names = ("rule_set_from", "rule_set_to", "months", "history", "evaluated", "totals", "digest")
        put_json({"plan": str(out), **{name: document[name] for name in names}})
        return
    typer.echo(
        f"{document['evaluated']:,} patient-months under {document['rule_set_to']} in place of {document['rule_set_from']}: "
        f"{totals['lines_added']:,} lines come, {totals['lines_removed']:,} go, {totals['lines_changed']:,} change, "
        f"{dollars(totals['amount_delta'])} in all"
    )
    from caremonth.plan_figures import warnings

    carry_out = "" if any(warnings(plans.Plan(document))) else f", `caremonth replay apply {out} --by WHO --reason WHY` carries it out"
    note(f"`caremonth replay show {out}` shows it{carry_out}")


def apply(settings: Settings, path: Path, by: str, reason: str, at: int | None, *, even_if_moved: bool) -> None:
    """Carry a plan out and say what it did."""
    read, word = plans.read(path), _word(by, reason, at)
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        row = applying.apply(ledger.engine, read, word, settle=ledger.settle, even_if_moved=even_if_moved)
        _said(settings, row, ledger.rules.name(row.digest), read.document["totals"])


def revert(settings: Settings, named: str, by: str, reason: str, at: int | None) -> None:
    """Take a plan back and say so; `named` is its file or the beginning of its digest."""
    digest = named
    if Path(named).is_file():
        digest = plans.read(Path(named)).digest
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        row = applying.revert(ledger.engine, digest, _word(by, reason, at), settle=ledger.settle)
        _said(settings, row, ledger.rules.name(row.digest), None)


def _word(by: str, reason: str, at: int | None) -> Word:
    for name, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise RefusedError(f"{name} is empty; say it, it is kept for those who audit this ledger")
    return Word(by.strip(), reason.strip(), int(time()) if at is None else at)


def _said(settings: Settings, row: Activation, rule_set: str, totals: dict[str, Any] | None) -> None:
    if settings.json:
        told = {"activation": row.seq, "rule_set": rule_set, "plan": row.plan, "tenant": row.tenant, "from": row.first, "to": row.last}
        put_json({**told, "reverts": row.reverts, "by": row.by, "reason": row.reason, **({"totals": totals} if totals else {})})
        return
    where = f"{row.tenant or 'all tenants'}, {row.first or 'the beginning'} to {row.last or 'on'}"
    typer.echo(f"rule set {rule_set} holds for {where}; all it bears on is decided again")
