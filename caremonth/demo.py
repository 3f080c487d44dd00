"""The tour: three sites in three time zones, from the first event to an adjustment after the close, in a ledger that is thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

from caremonth import demo_replay
from caremonth import demo_story as story
from caremonth.cli_board import BOARD, board_cells, put_sites
from caremonth.cli_ledger import opened
from caremonth.cli_options import Settings
from caremonth.cli_output import put, put_rows, put_tree
from caremonth.cli_text import ADJUSTMENTS, LINES, dollars, told
from caremonth.demo_export import sums_of_export, total
from caremonth.demo_rules import proposed_changes
from caremonth.demo_stage import chapter, commands, say, tell
from caremonth.explain_text import explained
from caremonth.sample import TENANT
from ledger import Ledger
from projections.board import board_rows
from projections.run import catch_up

Row = dict[str, Any]

_BRIEF_LINES: Final = {name: LINES[name] for name in ("code", "units", "amount", "status", "date", "time")}
_BRIEF_ADJUSTMENTS: Final = {name: ADJUSTMENTS[name] for name in ("code", "units ±", "amount ±", "kind", "proposed (UTC)", "because of")}
_SHOWN_ALERTS: Final = 8
_SHOWN_ROWS: Final = 10
_BOARD_TIME: Final = int(datetime.fromisoformat(f"{story.BOARD_DAY}T22:00:00Z").timestamp())
_KINDS: Final = {"threshold_reached": "green", "threshold_near": "cyan", "time_conflict": "yellow", "adjustment_proposed": "yellow"}


def run() -> None:
    """The whole tour. Nothing is left of it but what was printed."""
    with TemporaryDirectory(prefix="caremonth-demo-") as folder:
        settings = Settings(f"sqlite:///{Path(folder) / 'demo.db'}", json=False, rules=None, full_sync=False)
        with opened(settings, create=True) as ledger:
            Tour(ledger).run()


class Tour:
    """The demo's chapters over one ledger; `position` is how far its alerts were told."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.events = list(story.stream())
        self.zones = {e["subject"]: e["data"]["zone"] for e in self.events if e["type"] == "care.site.registered.v1"}
        self.position = 0

    def run(self) -> None:
        """All chapters in order."""
        self._month_so_far()
        self._board()
        self._month_end()
        self._close()
        self._correction()
        self._export()
        self._rule_change()
        self._replay()
        self._next_steps()

    def _feed(self, until: str, after: str = "") -> None:
        """Take in what was recorded on days after `after` and before `until`, an hour at a time, and tell the alerts it raises."""
        due = [e for e in self.events if after <= e["time"][:10] < until]
        told_so_far = left = 0
        for _, hour in groupby(due, key=lambda e: e["time"][:13]):
            self.ledger.ingest([("demo", story.raw(event)) for event in hour])
            for alert in self._new_alerts():
                if told_so_far < _SHOWN_ALERTS or alert.get("patient_id") == story.PATIENT:
                    tell(f"  {self._alert(alert)}", _KINDS.get(alert["kind"], ""))
                    told_so_far += 1
                else:
                    left += 1
        tell(f"  … and {left} more; {len(due)} events taken in" if left else f"  {len(due)} events taken in", "dim")

    def _new_alerts(self) -> Iterator[Row]:
        for event in self.ledger.events(self.position):
            self.position = event["sequence"]
            if event["type"] == "care.alert.raised.v1":
                yield {**event["data"], "time": event["time"]}

    def _alert(self, alert: Row) -> str:
        zone = self.zones.get(alert.get("site_id", ""), "UTC")
        local = datetime.fromisoformat(alert["time"]).astimezone(ZoneInfo(zone))
        return f"{local:%d %b %H:%M %Z}  {alert['kind']:<19}  {alert.get('patient_id', ''):<9}  {told(alert)}"

    def _month_so_far(self) -> None:
        chapter("March 2026 begins")
        sites = ", ".join(f"{site} ({zone.partition('/')[2].replace('_', ' ')})" for site, zone in sorted(self.zones.items()))
        say(
            f"The vendor “{TENANT}” looks after patients at three sites: {sites}. Time, visits, consents and device readings come in, "
            "late and twice and corrected as they do in life. Alerts, each at the moment it becomes true:"
        )
        self._feed(story.BOARD_DAY)

    def _board(self) -> None:
        chapter(f"The month board on {story.BOARD_DAY}")
        say(
            "Who can still reach the next code, most urgent first, and where each site stands. "
            f"{story.FORGOTTEN} is enrolled, and no time was logged yet:"
        )
        catch_up(self.ledger.engine)
        board = board_rows(self.ledger.engine, TENANT, story.MONTH, None, _BOARD_TIME)
        cells = board_cells(board)
        put_rows(cells[:_SHOWN_ROWS], BOARD, as_json=False, nothing="no patients")
        if len(cells) > _SHOWN_ROWS:
            tell(f"… and {len(cells) - _SHOWN_ROWS} more", "dim")
        put()
        put_sites(board)

    def _month_end(self) -> None:
        chapter("The month ends, and one patient is explained")
        self._feed(story.EVE_OF_CLOSE, story.BOARD_DAY)
        put()
        say(f"What {story.PATIENT}'s month comes to, and why: every second is counted, or has a reason.")
        put_tree(explained(self.ledger, TENANT, story.PATIENT, story.MONTH))

    def _close(self) -> None:
        chapter("Each site's March is closed, in April")
        self._feed("9999", story.EVE_OF_CLOSE)
        closed = [line for line in self.ledger.lines(TENANT, story.MONTH) if line["status"] == "closed"]
        say(f"{len(closed)} lines are final now, {dollars(total(line['amount'] for line in closed))} in all. Of {story.PATIENT}:")
        put_rows([line for line in closed if line["patient_id"] == story.PATIENT], _BRIEF_LINES, as_json=False, nothing="")

    def _correction(self) -> None:
        chapter("Three days later a correction comes in")
        say(
            f"{story.DOCTOR}'s call of 9 March had lasted 21:00, not 8:30. The closed line stays as it was billed; "
            "the difference is proposed:"
        )
        self.ledger.ingest([("demo", story.raw(story.correction()))])
        proposed = [one for one in self.ledger.adjustments() if one["patient_id"] == story.PATIENT]
        put_rows(proposed, _BRIEF_ADJUSTMENTS, as_json=False, nothing="no adjustments")

    def _export(self) -> None:
        chapter("The export for the claims system")
        exported = sums_of_export(self.ledger, TENANT, story.MONTH)
        closed = [line for line in self.ledger.lines(TENANT, story.MONTH) if line["status"] == "closed"]
        adjustments = [a for a in self.ledger.adjustments() if a["month"] == story.MONTH]
        listed = (total(line["amount"] for line in closed), total(a["amount_delta"] for a in adjustments))
        same = "the same as" if exported[1:] == listed else "NOT the same as"
        say(
            f"{exported[0]} rows: closed lines {dollars(exported[1])}, adjustments {dollars(exported[2])}; {same} "
            f"`lines` ({dollars(listed[0])}) and `adjustments` ({dollars(listed[1])})."
        )
        differences = self.ledger.verify()
        say("Computed again from the events alone: " + (f"{len(differences)} differences." if differences else "no difference."))

    def _rule_change(self) -> None:
        chapter("The rules are data: what is proposed for 2027")
        say(
            "No date, threshold or price is in the code. Of 99457 the rule set of the proposal changes this "
            "(`rules show 99457` shows what is in force):"
        )
        for change in proposed_changes("99457"):
            tell(f"  {change}")

    def _replay(self) -> None:
        chapter("A rule change, replayed before it is applied")
        say(
            "What if each G3003 had taken 20:00 since January, and not 15:00? All of history is decided again under the other rules, and "
            "compared; nothing is changed:"
        )
        for line in demo_replay.told(self.ledger.engine):
            say(line, indent="  ")
        say("`replay apply` would carry it out, with adjustments to closed lines, `replay revert` take it back; the tour does neither.")

    def _next_steps(self) -> None:
        chapter("What to try next")
        commands(
            "sample --patients 50 --months 2 --sites 3 --seed 1 > events.jsonl",
            "ingest events.jsonl",
            f"board {TENANT} 2026-10 --as-of 2026-10-20T18:00:00Z",
            f"explain {TENANT} P-000001 2026-10",
            f"close {TENANT} 2026-10 --at 2026-11-05T00:00:00Z",
            f"export {TENANT} 2026-10",
            "verify",
        )
