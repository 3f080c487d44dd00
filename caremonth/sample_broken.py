"""Broken lines among the good ones of the sample, for trying what becomes of bad input (docs/contract.md §1)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any


def with_broken(lines: Iterator[str], share: float, draw: Callable[[], float]) -> Iterator[str]:
    """The same lines, after `share` of them a broken copy. The good lines are all there, and come first."""
    for line in lines:
        yield line
        if draw() < share:
            yield _BREAKS[int(draw() * len(_BREAKS))](line)


def _edited(line: str, **changes: Any) -> str:
    return json.dumps({**json.loads(line), **changes})


def _cut(line: str) -> str:
    return line[: len(line) // 2]


def _in_array(line: str) -> str:
    return f"[{line}]"


def _named_twice(line: str) -> str:
    return line[:-1] + ',"id":"again"}'


def _of_unknown_type(line: str) -> str:
    return _edited(line, type="care.time.guessed.v1")


def _naive(line: str) -> str:
    return _edited(line, time=json.loads(line)["time"].rstrip("Z"))


def _without_tenant(line: str) -> str:
    return json.dumps({name: value for name, value in json.loads(line).items() if name != "tenant"})


def _with_unknown_field(line: str) -> str:
    return _edited(line, data={**json.loads(line)["data"], "mood": 1})


def _with_control_character(line: str) -> str:
    return _edited(line, id="e\u0007")


def _reused(line: str) -> str:
    return _edited(line, subject=json.loads(line)["subject"] + "-2")


_BREAKS = (_cut, _in_array, _named_twice, _of_unknown_type, _naive, _without_tenant, _with_unknown_field, _with_control_character, _reused)
