"""Plans made, carried out and taken back from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from time import time
from typing import Any, Final, NamedTuple

import typer
from sqlalchemy import select

from caremonth.cli_errors import RefusedError
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import note, put_json
from caremonth.cli_text import dollars
from domain.calendar import utc_text
from ledger import Ledger, LedgerError, activations, applying, approvals, plans, schema
from ledger.activations import Activation
from ledger.applying import Word
from ledger.database import reading
from ledger.extent import Span
from ledger.plan_parts import Scope
from ledger.planning import make
from ledger.rule_files import PACKAGED
from ledger.rules import Rules, load

SLACK: Final = 300
"""Seconds by which the clocks of two machines may differ."""


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
        raise typer.BadParameter(f"{asked.last} is before --from {asked.first}; name the earlier month first", param_hint="--to")
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        _require_shown(ledger, asked)
        ledger.settle()
        try:
            raw = _made(settings, asked, ledger)
            _write(asked.out, raw)
        except OSError as error:
            raise RefusedError(f"the plan cannot be written: {error.strerror}: {asked.out}") from None
        made = plans.parse(raw)
        objection = _objection(ledger, made)
        _tell(settings, asked.out, made.document, objection)
        if objection is None:
            _warn(ledger, made)


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


def _tell(settings: Settings, out: Path, document: dict[str, Any], objection: str | None) -> None:
    totals = document["totals"]
    if settings.json:
        names = ("rule_set_from", "rule_set_to", "months", "history", "evaluated", "totals", "digest")
        put_json({"plan": str(out), **{name: document[name] for name in names}, "objection": objection})
        return
    unknown = f", {totals['amounts_unknown']:,} amounts unknown" if totals["amounts_unknown"] else ""
    typer.echo(
        f"{document['evaluated']:,} patient-months under {document['rule_set_to']} in place of {document['rule_set_from']}: "
        f"{totals['lines_added']:,} lines come, {totals['lines_removed']:,} go, {totals['lines_changed']:,} change, "
        f"{dollars(totals['amount_delta'])} in all{unknown}"
    )
    note(
        f"`caremonth replay show {out}` shows it; " + (objection or f"`caremonth replay apply {out} --by WHO --reason WHY` carries it out")
    )


def apply(settings: Settings, path: Path, by: str, reason: str, at: int | None, *, even_if_moved: bool) -> None:
    """Carry a plan out and say what it did."""
    read, word = plans.read(path), _word(by, reason, at)
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        _warn(ledger, read)
        row = applying.apply(ledger.engine, read, word, settle=ledger.settle, even_if_moved=even_if_moved)
        _said(settings, ledger.rules, row, word, read.document["totals"])


def revert(settings: Settings, named: str, by: str, reason: str, at: int | None) -> None:
    """Take a plan back and say so; `named` is its file or the beginning of its digest."""
    digest, word = named, _word(by, reason, at)
    if Path(named).is_file():
        digest = plans.read(Path(named)).digest
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        row = applying.revert(ledger.engine, digest, word, settle=ledger.settle)
        _said(settings, ledger.rules, row, word, None)


def _word(by: str, reason: str, at: int | None) -> Word:
    for name, text in (("--by", by), ("--reason", reason)):
        if not text.strip():
            raise typer.BadParameter("is empty; say it, it is kept for those who audit this ledger", param_hint=name)
    now = int(time())
    if at is not None and at > now + SLACK:
        raise typer.BadParameter("lies in the future; name when it was decided, or leave it out", param_hint="--at")
    return Word(by.strip(), reason.strip(), now if at is None else at)


def _said(settings: Settings, rules: Rules, row: Activation, word: Word, totals: dict[str, Any] | None) -> None:
    repeated = (row.by, row.reason, row.at) != word
    if settings.json:
        put_json({**activation_row(rules, row), "repeated": repeated, **({"totals": totals} if totals else {})})
        return
    done = "taken back" if row.reverts else "carried out"
    if repeated:
        typer.echo(f"this plan was {done} already, at {utc_text(row.at)} by {row.by}; nothing new was done")
    else:
        holds = "holds again" if row.reverts else "holds"
        typer.echo(f"{done}: rule set {rules.name(row.digest)} {holds} for {_where(row)}; all it bears on is decided again")


def _where(row: Activation) -> str:
    months = f"the months from {row.first} on" if row.first else "all months"
    if row.last:
        months = f"the months from {row.first} to {row.last}" if row.first else f"the months to {row.last}"
    return f"{months} of {row.tenant or 'all tenants'}"


def activation_row(rules: Rules, row: Activation) -> dict[str, Any]:
    """What was said of which rules hold, as `replay list` shows it; `standing` where it was not taken back."""
    standing = row in activations.standing(rules.rows)
    return {
        "activation": row.seq, "rule_set": rules.name(row.digest), "plan": row.plan,
        "tenant": row.tenant, "from": row.first, "to": row.last,
        "reverts": row.reverts, "standing": standing, "by": row.by, "reason": row.reason, "at": utc_text(row.at),
    }  # fmt: skip


def put_activations(settings: Settings) -> None:
    """Who put which rules in force or took them back, when, for which months, and why."""
    with opened(settings._replace(rules=None), own_rules=True) as ledger:
        rules = ledger.rules
        if settings.json:
            for row in rules.rows:
                put_json(activation_row(rules, row))
            return
        for row in rules.rows:
            what = f"takes activation {row.reverts} back" if row.reverts else f"rule set {rules.name(row.digest)} for {_where(row)}"
            over = "" if row.reverts or row in activations.standing(rules.rows) else " (taken back)"
            plan = f", plan {row.plan[:12]}" if row.plan else ""
            typer.echo(f"{row.seq}  {utc_text(row.at) if row.at else 'at first':20}  {what}{over}{plan}: {row.by}, {row.reason}")


def _require_shown(ledger: Ledger, asked: Asked) -> None:
    """RefusedError for a site or program that nothing is known of: a mistyped one would read as nothing owed."""
    if asked.family is not None and asked.family not in ledger.words.programs:
        raise RefusedError(f"there is no program {asked.family}; the programs are {', '.join(sorted(ledger.words.programs))}")
    t = schema.registrations.c
    known = select(t.subject).where(t.kind == "site", t.subject == asked.site).limit(1)
    with reading(ledger.engine) as connection:
        if asked.site is not None and connection.execute(known).first() is None:
            raise RefusedError("this site is not registered; check the id")


def _warn(ledger: Ledger, read: plans.Plan) -> None:
    """Say what speaks against a plan's rules without forbidding them."""
    book = read.rulebook
    if book is not None:
        with reading(ledger.engine) as connection:
            for reservation in approvals.reservations(connection, book):
                note(f"note: {reservation}")


def _objection(ledger: Ledger, read: plans.Plan) -> str | None:
    """Why a plan could not be carried out as things are."""
    try:
        with reading(ledger.engine) as connection:
            applying.require_carriable(connection, read)
    except LedgerError as error:
        return str(error)
    return None
