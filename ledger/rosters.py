"""What is told of a patient beside the months: the roster, where it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from domain.facts import Registry
from domain.records import history, latest_time
from domain.roster import ROSTER, Rosters
from domain.settlement import Out, Row
from ledger.outbox import Outbox, mark_of
from ledger.rules import Rules
from ledger.workspace import PatientDocument, Workspace


def tell_rosters(
    due: Sequence[str],
    work: Workspace,
    registry_of: Callable[[str], Registry],
    named: Callable[[str], Iterable[int]],
    outbox: Outbox,
    rules: Rules,
) -> None:
    """Send the rosters of these patients (keys `tenant/patient`) that are not as they were told last; the workspace keeps what was told.

    `named` tells of a patient when the sites and people were registered whom the facts name.
    """
    work.load_patients(due)
    rosters: dict[int, Rosters] = {}
    for key in due:
        tenant, _, subject = key.partition("/")
        document = work.patients[key]
        book = rules.latest(tenant)  # one of several sets, in one tenant only, has the digest of the last of them
        data = rosters.setdefault(id(book), Rosters(book)).of(tenant, subject, history(document.facts, {}, (), ()), registry_of(tenant))
        if _is_news(document, data):
            time = max((latest_time(document.facts, {}), *named(key)))
            outbox.add(Out(ROSTER, f"{key}/{document.roster['steps']}", data), tenant, subject, time)


def _is_news(document: PatientDocument, data: Row) -> bool:
    """Whether the roster is another one than was told last, which then is this one; numbered, so that each has an id of its own."""
    if not data["programs"] and not document.roster:
        return False
    mark = mark_of(data)
    if document.roster.get("mark") == mark:
        return False
    document.roster = {"mark": mark, "steps": document.roster.get("steps", 0) + 1}
    document.changed = True
    return True
