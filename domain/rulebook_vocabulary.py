"""The words a rule set brings along: programs, tracks and kinds of device."""

from domain.rulebook import Rulebook
from domain.vocabulary import Vocabulary


def vocabulary(rulebook: Rulebook) -> Vocabulary:
    """What events may name under these rules, on whatever day: a word once in the rules stays valid in an event."""
    tracks: dict[str, frozenset[str]] = {}
    kinds: dict[str, frozenset[str]] = {}
    for program in (program for rules in rulebook.days for program in rules.programs.values()):
        named = frozenset(track for track in program.tracks if track is not None)
        if named:
            tracks[program.name] = named
        if program.devices:
            kinds[program.name] = kinds.get(program.name, frozenset()) | {code.kind for code in program.devices.codes}
    return Vocabulary(frozenset(rulebook.days[0].programs), tracks, kinds)
