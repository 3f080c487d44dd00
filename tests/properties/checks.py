"""Checks with names: each asks a ledger about one story, or about some random ones, and returns what is wrong with the answer.

They are what `mutants.py` plants bugs against; a sound ledger gives each an empty list.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.generators import Dice, Story, random_history
from tests.properties import invariants
from tests.properties.agreement import disagreements
from tests.properties.told import ADJUSTMENT, Ask, Event, Row
from tests.scenario_steps import Tenant

Check = Callable[[Ask], list[str]]
READY_CPM, READY_CCM = "ready for CPM with dr-lee", "ready for CCM with dr-lee"
DOCTOR, NURSE = "by dr-lee for dr-lee in CPM", "by rn-kim for dr-lee in CCM"


def events(*steps: str | dict[str, str]) -> list[Event]:
    """A story's events."""
    return Tenant("story").tell(list(steps))


def shown(line: Row) -> str:
    """A line in short: `P1 G3003 x4 +1 ready 2026-03-02`."""
    excess = f" +{line['excess_units']}" if line["excess_units"] else ""
    return f"{line['patient_id']} {line['code']} x{line['units']}{excess} {line['status']} {line['date_of_service']}"


def comes_to(ask: Ask, story: Sequence[Event], *wanted: str, batch: int = 1000) -> list[str]:
    """The story has exactly these lines."""
    found = sorted(shown(line) for line in ask(story, batch).lines)
    return [] if found == sorted(wanted) else [f"{found} instead of {sorted(wanted)}"]


def seconds_are_not_rounded_up(ask: Ask) -> list[str]:
    """Rule 2: 29:31 is not 30 minutes."""
    return comes_to(ask, events(READY_CPM, f"time 2026-03-02 10:00 for 29:31 {DOCTOR}"))


def a_threshold_is_reached_at_its_last_second(ask: Ask) -> list[str]:
    """Rule 8: 30:00 is 30 minutes."""
    return comes_to(ask, events(READY_CPM, f"time 2026-03-02 10:00 for 30:00 {DOCTOR}"), "P1 G3002 x1 ready 2026-03-02")


def an_addon_is_a_full_increment(ask: Ask) -> list[str]:
    """Rule 8: 59 minutes are one add-on of 15."""
    story = events(READY_CPM, f"time 2026-03-02 10:00 for 59:00 {DOCTOR}")
    return comes_to(ask, story, "P1 G3002 x1 ready 2026-03-02", "P1 G3003 x1 ready 2026-03-02")


def units_end_at_their_limit(ask: Ask) -> list[str]:
    """Rule 16: 105 minutes are four add-ons and one in excess."""
    story = events(READY_CPM, f"time 2026-03-02 10:00 for 105:00 {DOCTOR}")
    return comes_to(ask, story, "P1 G3002 x1 ready 2026-03-02", "P1 G3003 x4 +1 ready 2026-03-02")


def an_addon_stands_beside_its_base(ask: Ask) -> list[str]:
    """Invariant 5 on an hour of CCM."""
    return invariants.addons_have_bases(ask(events(READY_CCM, f"time 2026-03-02 10:00 for 60:00 {NURSE}")))


def a_second_counts_once(ask: Ask) -> list[str]:
    """Rule 5: two people at once with one patient are one lot of minutes."""
    other = "time 2026-03-02 10:00 for 15:00 by ma-joy for dr-lee in CCM"
    return comes_to(ask, events(READY_CCM, f"time 2026-03-02 10:00 for 15:00 {NURSE}", other))


def a_second_of_a_cut_entry_counts_once(ask: Ask) -> list[str]:
    """Rule 5: nor are two people over midnight, with ten minutes in March and fifteen in April, two lots of minutes in either."""
    night = "time 2026-03-31 23:50 for 25:00"
    return comes_to(ask, events(READY_CCM, f"{night} {NURSE}", f"{night} by ma-joy for dr-lee in CCM"))


def a_second_has_its_local_month(ask: Ask) -> list[str]:
    """Rule 1: on the last evening of March in Chicago it is April in UTC; an entry over midnight is in both months."""
    evening, night = "time 2026-03-31 19:30 for 25:00", "time 2026-04-30 23:50 for 25:00"
    story = events(READY_CCM, f"{evening} {NURSE}, at south", f"{night} {NURSE}, at south")
    return comes_to(ask, story, "P1 99490 x1 ready 2026-03-31")


def an_hour_that_the_clocks_repeat_is_an_hour(ask: Ask) -> list[str]:
    """Rule 1: from 0:50 to 1:50, both hours of the night on which summer time ends, are two hours."""
    story = events(READY_CPM, f"time 2026-11-01 00:50 for 120:00 {DOCTOR}")
    story[-1]["data"] |= {"start": "2026-11-01T00:50:00-04:00", "end": "2026-11-01T01:50:00-05:00"}
    return comes_to(ask, story, "P1 G3002 x1 ready 2026-11-01", "P1 G3003 x4 +2 ready 2026-11-01")


def a_revocation_ends_what_counts(ask: Ask) -> list[str]:
    """Rule 7: after it nothing counts."""
    revoked = "consent for CPM with dr-lee revoked on 2026-03-02 09:00"
    return comes_to(ask, events(READY_CPM, revoked, f"time 2026-03-02 10:00 for 30:00 {DOCTOR}"))


def a_revocation_of_ccm_waits_for_the_months_end(ask: Ask) -> list[str]:
    """Rule 7: CCM runs to the end of the month of its revocation."""
    revoked = "consent for CCM with dr-lee revoked on 2026-03-02 09:00"
    times = [f"time 2026-{month}-05 10:00 for 20:00 {NURSE}" for month in ("03", "04")]
    return comes_to(ask, events(READY_CCM, revoked, *times), "P1 99490 x1 ready 2026-03-05")


def time_counts_after_the_visit(ask: Ask) -> list[str]:
    """Rule 9: what is done while the first visit lasts does not count."""
    visit = "visit em on 2026-03-02 10:00 for 30:00 with dr-lee"
    story = events(f"{READY_CCM}, without visit", visit, f"time 2026-03-02 10:10 for 30:00 {NURSE}")
    return comes_to(ask, story)


def a_stay_takes_its_seconds(ask: Ask) -> list[str]:
    """Rule 9: while the patient is an inpatient CCM does not count; in observation it does."""
    stay, watched = (
        f"stay {kind} from 2026-03-0{day} 08:00 to 2026-03-0{day} 20:00" for kind, day in (("inpatient", 2), ("observation", 3))
    )
    times = [f"time 2026-03-0{day} 10:00 for 20:00 {NURSE}" for day in (2, 3)]
    return comes_to(ask, events(READY_CCM, stay, watched, *times), "P1 99490 x1 ready 2026-03-03")


def two_conditions_are_two_diagnoses(ask: Ask) -> list[str]:
    """Rule 9: one diagnosis recorded twice is one."""
    twice = ["condition I10 chronic", "condition I10 chronic"]
    story = events(f"{READY_CCM}, without condition", *twice, f"time 2026-03-02 10:00 for 20:00 {NURSE}")
    return comes_to(ask, story, "P1 99490 x1 held 2026-03-02")


def the_first_to_cross_wins(ask: Ask) -> list[str]:
    """Rule 14: CCM and PCM of one practitioner are not paid together."""
    first = f"time 2026-03-03 10:00 for 20:00 {NURSE}"
    second = "time 2026-03-02 10:00 for 30:00 by rn-kim for dr-lee in PCM"
    story = events(READY_CCM, "ready for PCM with dr-lee", first, second)
    return comes_to(ask, story, "P1 99490 x1 excluded 2026-03-03", "P1 99426 x1 ready 2026-03-02")


def double_booked_seconds_count_for_neither(ask: Ask) -> list[str]:
    """Rule 6: one nurse, two patients at the same time."""
    both = [f"time 2026-03-02 10:00 for 20:00 {NURSE}{patient}" for patient in ("", ", patient P2")]
    return comes_to(ask, events(READY_CCM, f"{READY_CCM}, patient P2", *both), batch=3)


def a_tie_goes_to_the_smaller_identity(ask: Ask) -> list[str]:
    """Of two registrations recorded at once the one with the smaller id holds: north is in Auckland, where it is April."""
    sites = ["site north in Pacific/Auckland", "site north in America/New_York"]
    story = events(*sites, READY_CCM, f"time 2026-03-31 20:00 for 20:00 {NURSE}")
    return comes_to(ask, story, "P1 99490 x1 ready 2026-04-01")


def a_retraction_may_come_first(ask: Ask) -> list[str]:
    """What was retracted does not count, also when it arrives after its retraction."""
    told = events(READY_CCM, {"wrong": f"time 2026-03-02 10:00 for 20:00 {NURSE}"}, "retract wrong")
    *before, wrong, retraction = told
    return [*comes_to(ask, told, batch=1), *comes_to(ask, [*before, retraction, wrong], batch=1)]


def what_was_replaced_never_returns(ask: Ask) -> list[str]:
    """The event that replaced another is retracted, and the other one arrives only then."""
    first, second = f"time 2026-03-02 10:00 for 20:00 {NURSE}", f"time 2026-03-02 11:00 for 20:00 {NURSE}, instead of first"
    *before, replaced, replacement, retraction = events(READY_CCM, {"first": first}, {"second": second}, "retract second")
    return comes_to(ask, [*before, replacement, retraction, replaced], batch=1)


def a_reused_identity_is_refused(ask: Ask) -> list[str]:
    """The same id with other content is no duplicate, and the content that came first holds."""
    story = events(f"{READY_CCM}, patient P2", f"time 2026-03-02 10:00 for 20:00 {NURSE}, patient P2")
    told = ask([*story, {**story[-1], "subject": "P1"}])
    reasons = [letter["reason"] for letter in told.dead_letters]
    held = [line["patient_id"] for line in told.lines]
    return [] if (reasons, held) == (["id_reused"], ["P2"]) else [f"dead letters {reasons}, lines of {held}"]


def a_late_consent_reaches_later_months(ask: Ask) -> list[str]:
    """A consent of February that is told of last makes the time of April count."""
    consent = "consent for CCM with dr-lee on 2022-02-02 09:00"
    story = events(f"{READY_CCM}, without consent", f"time 2022-04-07 10:00 for 20:00 {NURSE}", consent)
    return comes_to(ask, story, "P1 99490 x1 ready 2022-04-07", batch=1)


def a_late_registration_reaches_all_who_name_it(ask: Ask) -> list[str]:
    """The nurse is registered last."""
    cast = events(READY_CCM, f"time 2026-03-02 10:00 for 20:00 {NURSE}")
    story = [*(e for e in cast if e["subject"] != "rn-kim"), *(e for e in cast if e["subject"] == "rn-kim")]
    return comes_to(ask, story, "P1 99490 x1 ready 2026-03-02", batch=1)


def closed_story() -> list[Event]:
    """A close with two corrections after it, the second of which takes the first one back in part."""
    late = f"time 2026-03-09 10:00 for 45:00 {DOCTOR}, recorded 2026-04-05 12:00"
    less = f"time 2026-03-09 10:00 for 20:00 {DOCTOR}, instead of late, recorded 2026-04-06 12:00"
    close = "close 2026-03 on 2026-04-02 12:00"
    return events(READY_CPM, f"time 2026-03-02 10:00 for 30:00 {DOCTOR}", close, {"late": late}, less)


def a_close_is_final(ask: Ask) -> list[str]:
    """Rule 17: the closed line stays, in one batch or in many."""
    story = closed_story()
    return [text for batch in (1, 1000) for text in comes_to(ask, story, "P1 G3002 x1 closed 2026-03-02", batch=batch)]


def adjustments_add_up(ask: Ask) -> list[str]:
    """Rule 17: three add-ons proposed, then two of them taken back."""
    deltas = [row["units_delta"] for row in ask(closed_story(), 1).sent(ADJUSTMENT)]
    wrong = [] if deltas == [3, -2] else [f"adjusted by {deltas}"]
    return wrong + invariants.closes_add_up(ask, closed_story(), 1)


def the_outbox_replays(ask: Ask) -> list[str]:
    """Invariant 7 on a line that is ready, then withdrawn."""
    story = events(READY_CCM, {"wrong": f"time 2026-03-02 10:00 for 20:00 {NURSE}"}, "retract wrong")
    return invariants.replays(ask(story, 1), 1)


def tenants_do_not_meet(ask: Ask) -> list[str]:
    """Invariant 8 on some pairs of tenants."""
    stories = [[Story(Dice(seed + at), name).tell(closes=False) for at, name in enumerate(("acme", "bolt"))] for seed in range(4)]
    return [text for seed, (one, other) in enumerate(stories) for text in invariants.isolated(ask, one, other, seed, 1000)]


def every_second_is_told(ask: Ask) -> list[str]:
    """Invariant 3 on some histories."""
    return [text for history in _histories(6) for text in invariants.every_second_told(history, ask(history).trees)]


def the_order_does_not_matter(ask: Ask) -> list[str]:
    """Invariant 2 on some histories."""
    return [text for seed, history in enumerate(_histories(6)) for text in invariants.order_free(ask, history, seed)]


def the_oracle_agrees(ask: Ask) -> list[str]:
    """The oracle on some histories."""
    return [text for history in _histories(12) for text in disagreements(history, ask(history))]


def _histories(number: int) -> Iterator[list[Event]]:
    return map(random_history, range(number))


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        seconds_are_not_rounded_up,
        a_threshold_is_reached_at_its_last_second,
        an_addon_is_a_full_increment,
        units_end_at_their_limit,
        an_addon_stands_beside_its_base,
        a_second_counts_once,
        a_second_of_a_cut_entry_counts_once,
        a_second_has_its_local_month,
        an_hour_that_the_clocks_repeat_is_an_hour,
        a_revocation_ends_what_counts,
        a_revocation_of_ccm_waits_for_the_months_end,
        time_counts_after_the_visit,
        a_stay_takes_its_seconds,
        two_conditions_are_two_diagnoses,
        the_first_to_cross_wins,
        double_booked_seconds_count_for_neither,
        a_tie_goes_to_the_smaller_identity,
        a_retraction_may_come_first,
        what_was_replaced_never_returns,
        a_reused_identity_is_refused,
        a_late_consent_reaches_later_months,
        a_late_registration_reaches_all_who_name_it,
        a_close_is_final,
        adjustments_add_up,
        the_outbox_replays,
        tenants_do_not_meet,
        every_second_is_told,
        the_order_does_not_matter,
        the_oracle_agrees,
    )
}
