"""`caremonth sample`: a realistic stream of events of an invented vendor, the same for the same arguments everywhere.

It is made day by day and month by month, in order of recorded `time`, so that a million lines need the memory of a day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from zlib import crc32

from caremonth.sample_broken import with_broken
from caremonth.sample_clock import DAY, Zone, utc
from caremonth.sample_days import play
from caremonth.sample_months import Month, month_of, plan
from caremonth.sample_patients import admit
from caremonth.sample_people import ZONES, Site, found_site, register
from caremonth.sample_scene import Scene
from caremonth.sample_stream import Stream

TENANT = "riverbend"
# Months since the year 0.
_USUAL_LAST = 2026 * 12 + 9
_LAST = 2026 * 12 + 11
_EARLIEST = 2022 * 12
_CLOSED_AFTER = 4 * DAY + 15 * 3600


def sample(
    patients: int, months: int, sites: int, seed: int, *, first_month: str | None = None, close: bool = False, bad: float = 0.0
) -> Iterator[str]:
    """JSON lines without line ends, valid by docs/contract.md §1, sorted by `time`.

    `first_month` is `YYYY-MM`; without it the stream ends in 2026-10, or later where `months` would otherwise begin before 2025.
    `close` adds a close of each site's month a few days after its end, and changes no other line. `bad` is the share of lines
    (0 to 1) followed by a broken copy; the good lines stay what they are. Late work is recorded up to some weeks after the last month.

    Raises ValueError where an argument makes no sense.
    """
    for name, value in (("patients", patients), ("months", months), ("sites", sites)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1")
    if not 0 <= bad <= 1:
        raise ValueError("bad is a share and must be between 0 and 1")
    span = _span(months, first_month)
    lines = _lines(patients, span, sites, seed, close)
    return with_broken(lines, bad, Random(seed + 2).random) if bad else lines


def _span(months: int, first_month: str | None) -> list[Month]:
    if first_month is None:
        first = max(_USUAL_LAST - months + 1, 2025 * 12)
        if first + months - 1 > _LAST:
            first = max(_LAST - months + 1, _EARLIEST)
    else:
        matched = re.fullmatch(r"(20[0-9]{2})-(0[1-9]|1[0-2])", first_month, re.ASCII)
        if not matched:
            raise ValueError("first_month must be a month such as 2026-01, of the years 2002 to 2098")
        first = int(matched[1]) * 12 + int(matched[2]) - 1
    if first < 2002 * 12 or first + months > 2099 * 12:
        raise ValueError("the months must lie between 2002-01 and 2098-12; choose another first_month or fewer months")
    return [month_of(number // 12, number % 12 + 1) for number in range(first, first + months)]


def _lines(count: int, span: list[Month], sites: int, seed: int, close: bool) -> Iterator[str]:
    draw = Random(seed).random
    stream = Stream(TENANT, _run(count, span, sites, seed), Random(seed + 1).random)
    scene = Scene(draw, stream, _found_sites(count, span, sites), span[0].first)
    register(stream, scene.sites, scene.first_day, span[-1].first + span[-1].length - scene.first_day)
    patients = [admit(number, scene.sites[number % sites], len(span), draw) for number in range(1, count + 1)]
    for index, month in enumerate(span):
        if close:
            _close(scene, month)
        calendar = plan(scene, patients, index, month)
        for offset in range(month.length):
            play(scene, patients, calendar, offset)
            yield from stream.through(month.first + offset)
    yield from stream.rest()


def _run(count: int, span: list[Month], sites: int, seed: int) -> str:
    """The beginning of every event's id: streams of other arguments have other ids and never look like reused ones."""
    return f"{crc32(f'{count} {span[0].name} {len(span)} {sites} {seed}'.encode()):08x}"


def _found_sites(patients: int, span: list[Month], sites: int) -> list[Site]:
    first, last = span[0].first - 400, span[-1].first + 100
    zones = [Zone(name, first, last) for name in ZONES[:sites]]
    return [found_site(number, zones[(number - 1) % len(zones)], -(-patients // sites)) for number in range(1, sites + 1)]


def _close(scene: Scene, month: Month) -> None:
    """Each site's month is closed on the fifth day after it; what is recorded later is for adjustments."""
    end = (month.first + month.length) * DAY
    for number, site in enumerate(scene.sites):
        at = end + _CLOSED_AFTER + number * 60
        data = f'"month":"{month.name}","site_id":"{site.id}","at":"{utc(at)}","by":"billing-{site.id}"'
        scene.stream.put_aside(f"close-{month.name}-{site.id}", "month.closed", TENANT, "/billing", at, data)
