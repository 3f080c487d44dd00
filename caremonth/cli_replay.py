"""`replay`: history decided again under other rules, first as a plan, then carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from caremonth.cli_options import ALSO, instant, month, settings_of

replay = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="History under other rules: plan it, look at it, carry it out, take it back."
)

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="A file that `replay plan` wrote.")]
By = Annotated[str, typer.Option(metavar="WHO", help="Who decides it; kept in the ledger.")]
Reason = Annotated[str, typer.Option(metavar="WHY", help="Why; kept in the ledger.")]
At = Annotated[int | None, typer.Option(parser=instant, metavar="TIME", help="When it was decided; now, if not given.")]
EvenIfMoved = Annotated[bool, typer.Option("--even-if-moved", help="Also where events came since, whose effect the plan does not show.")]
_MONTH: Final = "such as 2026-03; all, if not given."


@replay.command("plan", epilog=ALSO)
def replay_plan(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="PLAN", help="The file to write; the same ledger and rules give the same bytes.")],
    first: Annotated[str | None, typer.Option("--from", parser=month, metavar="M", help=f"The first month, {_MONTH}")] = None,
    last: Annotated[str | None, typer.Option("--to", parser=month, metavar="M", help=f"The last month, {_MONTH}")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="T", help="Only this tenant.")] = None,
    site: Annotated[str | None, typer.Option(metavar="S", help="Show only this site; such a plan cannot be carried out.")] = None,
    family: Annotated[str | None, typer.Option(metavar="PROGRAM", help="Show only this program; likewise.")] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="What if the events of this source had not come; may be repeated.")
    ] = None,
    as_of: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="What if nothing recorded after this time or date had come.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Decide also what cannot differ; the plan is the same.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes; one a core, if not given.")] = None,
) -> None:
    """What other rules (--rules DIR) would change; changes nothing.

    Decides history again and writes the lines that would come, go or change. A plan that was stopped goes on where it was.
    With --without or --as-of the facts are others instead, and the rules too where --rules is given; such a plan can only be shown.
    """
    from caremonth.replaying import Asked, plan

    plan(settings_of(context), Asked(out, tenant, first, last, site, family, everything, processes, tuple(without or ()), as_of))


@replay.command("show", epilog=ALSO)
def replay_show(
    context: typer.Context,
    plan: PlanFile,
    why: Annotated[
        tuple[str, str, str] | None, typer.Option(metavar="TENANT PATIENT MONTH", help="Explain this patient-month under both rule sets.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with charts: one file, no network, no script.")] = None,
    as_of: Annotated[
        int | None, typer.Option(parser=instant, metavar="TIME", help="The day from which the 60 days are counted; today, if not given.")
    ] = None,
) -> None:
    """A plan for people: lines and dollars, owed back, to gain.

    By code, site and month, money owed back with the date it is due, the ten largest changes. Needs the ledger for --why only.
    """
    if why is None:
        from caremonth.replay_show import show

        show(plan, settings_of(context), as_of, html)
        return
    if html is not None or as_of is not None:
        raise typer.BadParameter("it explains one patient-month, in text or --json; leave --html and --as-of out", param_hint="'--why'")
    from caremonth.replay_why import why as explain
    from domain.settlement import PatientMonth

    explain(plan, settings_of(context), PatientMonth(why[0], why[1], month(why[2])))


@replay.command("apply", epilog=ALSO)
def replay_apply(
    context: typer.Context, plan: PlanFile, by: By, reason: Reason, at: At = None,
even_if_moved: EvenIfMoved = False,
) -> None:  # fmt: skip
    """Carry a plan out: its rules hold from now on for its months.

    Refused where the history has moved since or the plan was edited. Open lines change, closed ones get adjustments. Stopped in the middle,
    the same command finishes it.
    """
    from caremonth.replaying import apply

    apply(settings_of(context), plan, by, reason, at, even_if_moved=even_if_moved)


@replay.command("list", epilog=ALSO)
def replay_list(context: typer.Context) -> None:
    """Which rules were put in force for which months, by whom, when and why."""
    from caremonth.replaying import put_activations

    put_activations(settings_of(context))


@replay.command("revert", epilog=ALSO)
def replay_revert(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The file of a plan that was carried out, or the beginning of its digest.")],
    by: By,
    reason: Reason,
    at: At = None,
) -> None:
    """Take back what a plan put in force.

    The rules before hold again; closed lines get adjustments that make up for those of the plan. Nothing is deleted.
    """
    from caremonth.replaying import revert

    revert(settings_of(context), plan, by, reason, at)
