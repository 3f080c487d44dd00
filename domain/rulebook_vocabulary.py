"""The words a rule set brings along: programs, tracks and kinds of device."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from domain.rulebook import DayRules, Program, Rulebook
from domain.vocabulary import Vocabulary


def vocabulary(rulebook: Rulebook) -> Vocabulary:
    """What events may name under these rules, on whatever day: a word once in the rules stays valid in an event."""
    return union([rulebook])


def union(rulebooks: Iterable[Rulebook]) -> Vocabulary:
    """What events may name where several rule sets hold."""
    programs: set[str] = set()
    tracks: dict[str, frozenset[str]] = {}
    kinds: dict[str, frozenset[str]] = {}
    for program in (program for book in rulebooks for rules in book.days for program in rules.programs.values()):
        programs.add(program.name)
        named = frozenset(track for track in program.tracks if track is not None)
        if named:
            tracks[program.name] = tracks.get(program.name, frozenset()) | named
        if program.devices:
            kinds[program.name] = kinds.get(program.name, frozenset()) | {code.kind for code in program.devices.codes}
    return Vocabulary(frozenset(programs), tracks, kinds)


def padded(rulebook: Rulebook, others: Iterable[Rulebook]) -> Rulebook:
    """The rule set with the programs and tracks that only others know, without any code: their time is explained and earns nothing."""
    known: dict[object, Program] = {}
    for program in (program for book in others for rules in book.days for program in rules.programs.values()):
        known.setdefault((program.name, frozenset(program.tracks)), program)
    days = tuple(DayRules(_with_words(rules.programs, known.values()), rules.exclusions) for rules in rulebook.days)
    return rulebook if days == rulebook.days else replace(rulebook, days=days)


def _with_words(programs: Mapping[str, Program], known: Iterable[Program]) -> Mapping[str, Program]:
    found = dict(programs)
    for other in known:
        mine = found.get(other.name) or other._replace(tracks={}, devices=None)
        lacking = {name: track._replace(bases=(), addons={}) for name, track in other.tracks.items() if name not in mine.tracks}
        found[other.name] = mine._replace(tracks={**mine.tracks, **lacking}) if lacking else mine
    return found
