"""The words that come from the rule files and not from the code."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an event may name besides the fixed words of the contract.

    `tracks` and `device_kinds` hold only the programs that have any. A new code family brings its words
    with its rule file, so nothing else in the code may list programs.
    """

    programs: frozenset[str]
    tracks: Mapping[str, frozenset[str]]
    device_kinds: Mapping[str, frozenset[str]]


DEFAULT_VOCABULARY = Vocabulary(
    programs=frozenset({"CPM", "CCM", "PCM", "RPM", "RTM", "BHI"}),
    tracks={"CCM": frozenset({"staff", "practitioner", "complex"}), "PCM": frozenset({"staff", "practitioner"})},
    device_kinds={"RPM": frozenset({"physiologic"}), "RTM": frozenset({"respiratory", "musculoskeletal", "cbt"})},
)
"""The families of docs/contract.md §3, for tests and for callers without rule files at hand."""
