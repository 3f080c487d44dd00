"""Planted bugs: small changes to the program's source, each with the check that must notice it.

A mutant lives in a process of its own, which imports the changed module in place of the real one; nothing is written to disk.
A mutant whose source is no longer found is an error: it must follow the code, else it would prove nothing.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import NamedTuple


class Mutant(NamedTuple):
    """A bug: in `module` the source `sound`, which stands there once, reads `broken`; `check` is the one that notices."""

    name: str
    module: str
    sound: str
    broken: str
    check: str


MUTANTS = (
    Mutant("entries are rounded up to minutes", "domain.records",
           "e.identity, d.end, d.program", "e.identity, d.start + -(-(d.end - d.start) // 60) * 60, d.program",
           "seconds_are_not_rounded_up"),
    Mutant("a threshold must be passed, not reached", "domain.lines",
           "        if total >= base.seconds:\n            found = base", "        if total > base.seconds:\n            found = base",
           "a_threshold_is_reached_at_its_last_second"),
    Mutant("an increment begun is paid", "domain.lines",
           "units.append((addon, (tally.total - base.seconds) // addon.seconds,",
           "units.append((addon, -(-(tally.total - base.seconds) // addon.seconds),", "an_addon_is_a_full_increment"),
    Mutant("the limit of units is ignored", "domain.lines", "else min(earned, code.cap)", "else earned", "units_end_at_their_limit"),
    Mutant("an add-on takes its base's place", "domain.lines",
           "        units.append((addon, (tally.total - base.seconds) // addon.seconds, base.code))",
           "        units = [(addon, (tally.total - base.seconds) // addon.seconds, base.code)]", "an_addon_stands_beside_its_base"),
    Mutant("overlapping seconds count twice", "domain.allocation",
           "start, end, until = entry.start, entry.end, self.until", "start, end, until = entry.start, entry.end, entry.start",
           "a_second_counts_once"),
    Mutant("overlapping seconds of cut entries count twice", "domain.allocation",
           "free, taken = carve(pieces, self.active)", "free, taken = pieces, list[Span]()", "a_second_of_a_cut_entry_counts_once"),
    Mutant("months are those of UTC", "domain.calendar", "    return Zone(name)", '    return Zone("UTC")', "a_second_has_its_local_month"),
    Mutant("an entry over midnight stays in its first month", "domain.allocation",
           "stop = min(end, local.month_bounds(month)[1])", "stop = end", "a_second_has_its_local_month"),
    Mutant("the wall clock is counted", "domain.instants",
           """int(f"{sign}1") * (hour""", "0 * (hour",
           "an_hour_that_the_clocks_repeat_is_an_hour"),
    Mutant("a revocation is ignored", "domain.standing",
           "elif not given and begun is not None:", 'elif not given and begun is not None and program.name == "CCM":',
           "a_revocation_ends_what_counts"),
    Mutant("a revocation of CCM takes effect at once", "domain.standing",
           'if program.consent_ends == "month_end" else at', 'if program.consent_ends == "never" else at',
           "a_revocation_of_ccm_waits_for_the_months_end"),
    Mutant("time counts from the start of the visit", "domain.standing",
           'visit.start if rule.counts_from == "start" else visit.end', "visit.start", "time_counts_after_the_visit"),
    Mutant("stays of the other kinds are taken away", "domain.standing", "if s.kind in kinds]", "if s.kind not in kinds]",
           "a_stay_takes_its_seconds"),
    Mutant("every site has the prices of an office", "domain.lines",
           "return version.pos if version else None", 'return "11"', "the_oracle_agrees"),
    Mutant("a diagnosis counts as often as it is recorded", "domain.lines",
           "        c.icd10\n        for c in history.conditions", "        c.identity\n        for c in history.conditions",
           "two_conditions_are_two_diagnoses"),
    Mutant("the last to cross wins", "domain.exclusions",
           "sorted(sides, key=lambda s: s[:3])", "sorted(sides, key=lambda s: s[:3], reverse=True)", "the_first_to_cross_wins"),
    Mutant("only one side of a double booking is told", "ledger.booking",
           "in ((clash.one, clash.other), (clash.other, clash.one)):\n        yield", "in ((clash.one, clash.other),):\n        yield",
           "double_booked_seconds_count_for_neither"),
    Mutant("a tie goes to the greater identity", "domain.registry",
           "key=lambda r: r.identity, reverse=True)", "key=lambda r: r.identity)", "a_tie_goes_to_the_smaller_identity"),
    Mutant("a retraction is forgotten until its event arrives", "ledger.accepting",
           "        if dead:\n", "        if dead and self.connection.closed:\n", "a_retraction_may_come_first"),
    Mutant("retractions have no effect", "ledger.arrivals",
           'if event.type == "care.event.retracted.v1":', 'if event.type == "care.event.retracted.v0":', "a_retraction_may_come_first"),
    Mutant("what was replaced returns with its replacement's end", "ledger.accepting",
           "        insert_new(self.connection, schema.tombstones, rows)",
           "        t = schema.tombstones\n        insert_new(self.connection, t, rows)\n"
           "        self.connection.execute(t.delete().where(t.c.cause.in_([identity for _, identity in causes])))",
           "what_was_replaced_never_returns"),
    Mutant("other content under a known id is a duplicate", "ledger.arrivals",
           "if stored == arrival.digest:", 'if stored != b"":', "a_reused_identity_is_refused"),
    Mutant("files are ordered by patient, whatever came first", "ledger.ledger",
           "first.setdefault(one.event[:3], one.event.subject)) if", "one.event.subject) if", "a_reused_identity_is_refused"),
    Mutant("a consent makes only its own month due", "domain.records",
           'e.time, e.identity), d.at, d.at, "onward")\n\n\ndef _started', 'e.time, e.identity), d.at, d.at + 1, "span")\n\n\ndef _started',
           "a_late_consent_reaches_later_months"),
    Mutant("a registration makes nothing due", "ledger.registrations",
           "    insert_new(connection, schema.references,", "    insert_new(connection, schema.references, [] and",
           "a_late_registration_reaches_all_who_name_it"),
    Mutant("a closed line is rewritten", "domain.settlement",
           "        if before.status == CLOSED:\n            return CLOSED, before.row\n        if now", "        if now",
           "a_close_is_final"),
    Mutant("a close takes what follows it in the batch along", "ledger.intake",
           "        if is_close(one):\n            if run:", "        if one is None:\n            if run:", "a_close_is_final"),
    Mutant("an adjustment is proposed again", "domain.settlement", "before.closed_units - before.adjusted_units", "before.closed_units",
           "adjustments_add_up"),
    Mutant("a withdrawal is not sent", "domain.settlement",
           "return LINE_WITHDRAWN if self.before.status == READY else None", "return None", "the_outbox_replays"),
    Mutant("one tenant's registrations hold for all", "ledger.registrations",
           "t.identity, t.facts).where(t.tenant == tenant)", 't.identity, t.facts).where(t.tenant != "")', "tenants_do_not_meet"),
    Mutant("excluded seconds are told short", "domain.explanation",
           "seconds[key] = seconds.get(key, 0) + piece.end - piece.start\n    return [{\"event\": i.",
           "seconds[key] = piece.end - piece.start\n    return [{\"event\": i.", "every_second_is_told"),
    Mutant("what arrives last is decided alone", "domain.records",
           'found.entries = made(Entry, month.get("entries", ()))',
           'found.entries = made(Entry, month.get("entries", ())[-3:])', "the_order_does_not_matter"),
)  # fmt: skip


def caught(name: str) -> list[str]:
    """What the mutant's check says of it; meant for a process in which the program is not imported yet."""
    mutant = next(one for one in MUTANTS if one.name == name)
    too_early = [module for module in sys.modules if module.partition(".")[0] in {"domain", "ledger"}]
    if too_early:
        raise RuntimeError(f"{', '.join(too_early)} are imported already: the bug cannot be planted")
    os.environ["CAREMONTH_PURE"] = "1"  # a bug is planted in the source
    planted = Planted(mutant)
    sys.meta_path.insert(0, planted)
    from tests.properties.checks import CHECKS
    from tests.properties.told import Teller

    with Teller() as ask:
        found = CHECKS[mutant.check](ask)
    if not planted.loaded:
        raise RuntimeError(f"{mutant.module} was never imported: nothing was planted")
    return found


class Planted(MetaPathFinder):
    """Finds the mutant's module with its source changed."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.loaded = False

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The changed module; None for all others, which are found as always."""
        if fullname != self.mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{fullname} is not there: {self.mutant.name!r} cannot be planted")
        spec.loader = _Changed(fullname, spec.origin, self.mutant)
        self.loaded = True
        return spec


class _Changed(SourceFileLoader):
    def __init__(self, fullname: str, path: str, mutant: Mutant) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 (the loader's own signature)
        return compile(changed(self.get_data(self.path).decode(), self.mutant), self.path, "exec", dont_inherit=True)


def changed(source: str, mutant: Mutant) -> str:
    """The source with the bug in it; RuntimeError where the sound source does not stand there once."""
    if source.count(mutant.sound) != 1:
        raise RuntimeError(f"{mutant.name!r}: {mutant.module} has its source {source.count(mutant.sound)} times; plant it anew")
    return source.replace(mutant.sound, mutant.broken)
