"""Measured figures that the docs quote, beside those that the bench printed into docs/performance.md."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

Figure = dict[str, Any]
PRINTED = re.compile(r'^\{"figure": .*\}$', re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?) (events/s|patient-months/s|time entries/s|µs|MB)(?!\w)")


def printed(page: str) -> list[Figure]:
    """The figures in the lines of JSON on a page."""
    return [json.loads(line) for line in PRINTED.findall(page)]


def edited(figures: Iterable[Figure]) -> Iterator[str]:
    """Figures that no bench can have printed: the value is not the median of its runs, or the target is not met as is said."""
    for figure in (one for one in figures if "runs" in one):
        name, value, target = figure["figure"], figure["value"], figure["target"]
        if abs(median(figure["runs"]) - value) > 0.001 * abs(value):
            yield f"{name} is not the median of its runs"
        if target is not None and figure["met"] != all(_MEETS[how](value, limit) for how, limit in target.items()):
            yield f"{name} does not stand to its target as it says"


_MEETS = {"at_least": lambda value, limit: value >= limit, "at_most": lambda value, limit: value <= limit}


def unprinted(page: str, figures: Iterable[Figure]) -> Iterator[str]:
    """Measured figures in a page's prose that are no printed one, rounded, nor a target."""
    known = [(figure.get("unit"), number) for figure in figures for number in _numbers(figure)]
    for text, unit in QUOTED.findall(FENCE.sub("", page)):
        number = float(text.replace(",", ""))
        if not any(unit == of and _rounds_to(value, number, text) for of, value in known):
            yield f"{text} {unit}"


def _numbers(figure: Figure) -> Iterator[float]:
    yield from (
        value for value in (figure.get("value"), figure.get("stretch"), *(figure.get("target") or {}).values()) if value is not None
    )


def _rounds_to(value: float, number: float, text: str) -> bool:
    """Whether the number is the value in as many significant digits as are written."""
    digits = text.replace(",", "").lstrip("0.")
    written = len(digits.replace(".", "").rstrip("0") if "." not in digits else digits.replace(".", ""))
    return float(f"{value:.{max(written, 1)}g}") == number


def pages(root: Path) -> Iterator[Path]:
    """The pages that may quote figures."""
    yield from sorted([*root.glob("*.md"), *root.glob("*/README.md"), *(root / "docs").rglob("*.md")])
