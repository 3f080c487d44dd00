"""Why time did not count, in plain words, with what would mend it and where the rule stands."""

from __future__ import annotations

from typing import Final

from domain.calendar import month_days
from domain.decide import ProgramDecision
from domain.rulebook import Rulebook

_CONTRACT: Final = "docs/contract.md §3.{}"

_REASONS: Final = {
    "retracted": ("retracted, or replaced by another event", "4"),
    "inferred_source": ("inferred from activity: only time that was timed or written down by somebody counts", "4"),
    "site_unknown": ("at a site that is not registered; it is judged again when the site is", "4"),
    "performer_unknown": ("by a person who is not registered; it is judged again when the person is", "4"),
    "performer_role": ("by a person whose role (or employment, or supervision) may not do this work", "4"),
    "not_personal": ("not by {practitioner}: only the billing practitioner's own time counts here", "4"),
    "before_consent": ("before the patient's consent to {program} with {practitioner}, or without one", "7"),
    "after_revocation": ("after the consent was revoked, and before another", "7"),
    "before_initiating_visit": ("before the visit with {practitioner} that must come first, or without one", "4"),
    "after_enrollment_end": ("after the enrolment ended", "7"),
    "facility_stay": ("during a stay in a hospital or nursing facility", "4"),
    "after_death": ("after the patient's death", "4"),
    "billed_visit": ("inside a visit that is billed by itself", "4"),
    "performer_double_booked": ("the same person has time or a visit with another patient in these seconds: they count for neither", "6"),
    "overlap": ("these seconds of the patient already count for an entry that started earlier", "5"),
}

"""Reason, words and the contract's rule, in the order in which reasons are asked."""


def rank(reason: str) -> int:
    """Where a reason stands in the order in which they are asked; unknown ones last."""
    return list(_REASONS).index(reason) if reason in _REASONS else len(_REASONS)


def reason_text(reason: str, decided: ProgramDecision, month: str, rulebook: Rulebook) -> str:
    """A reason in words with its citation: the rule file's own for consent and first visit, else the contract's rule."""
    words, rule = _REASONS.get(reason, (reason, "4"))
    says = words.format(program=decided.program, practitioner=decided.practitioner)
    return f"{reason}: {says} [{_cited(reason, decided.program, month, rulebook) or _CONTRACT.format(rule)}]"


def _cited(reason: str, name: str, month: str, rulebook: Rulebook) -> str:
    program = rulebook.at(month_days(month)[0]).programs.get(name)
    if program is None:
        return ""
    if reason in ("before_consent", "after_revocation"):
        return program.consent_citation
    return program.visit_citation if reason == "before_initiating_visit" else ""
