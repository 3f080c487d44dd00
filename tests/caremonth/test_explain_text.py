"""The explanation for people: what may be billed and why, who did what when, what did not count, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from caremonth import demo_story as story
from caremonth.cli_output import Branch, tree_lines
from caremonth.explain_reasons import rank
from caremonth.explain_text import Explanation, explained, when
from caremonth.sample import TENANT
from domain.facts import Registry
from domain.rulebook import Rulebook
from domain.tally import REASONS
from ledger import Ledger, LedgerError, open_ledger
from ledger.rule_files import PACKAGED, load_rulebook

SUMMER = 1_782_914_400  # 2026-07-01T14:00:00Z


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with open_ledger("sqlite://") as opened:
        opened.ingest(("story", story.raw(event)) for event in story.stream())
        yield opened


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook(PACKAGED)


def text_of(branches: list[Branch], width: int | None = None) -> str:
    return "\n".join(line for branch in branches for line, _ in tree_lines(branch, width))


def line(code: str, **more: Any) -> dict[str, Any]:
    usual = {
        "line_id": f"id-{code}", "code": code, "units": 1, "excess_units": 0, "status": "ready", "amount": "10.00", "unmet": [],
        "date_of_service": "2026-03-09", "program": "RPM", "practitioner_id": "dr-lee", "seconds": 1200,
    }  # fmt: skip
    return {**usual, **more}


def tree(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    program = {
        "program": "RPM",
        "practitioner_id": "dr-lee",
        "track": None,
        "counted_seconds": 0,
        "counted": [],
        "excluded": [],
        "lines": list(lines),
    }
    return {"month": "2026-03", "programs": [{**program, "next": None, "unmet": [], **more}]}


def told(rulebook: Rulebook, explained_tree: dict[str, Any]) -> str:
    return text_of(list(Explanation(explained_tree, None, Registry(), rulebook).branches()))


STORY = """\
P-maple · March 2026 · riverbend · rule set 2026.11
CPM · dr-okafor · 63:30 counted, 26:00 not counted
├─ Lines
│  ├─ G3002 × 1  $86.17  2026-03-03  closed, final
│  │  └─ Chronic pain management, first 30 minutes: {G3002}
│  └─ G3003 × 2  $63.46  2026-03-03  closed, final
│     └─ Chronic pain management, each 15 minutes more: {G3003}
├─ Next: 11:30 more for G3003 (Chronic pain management, each 15 minutes more)
├─ Counted: 63:30
│  ├─ Tue 03 Mar 10:00–10:35 EST         35:00  dr-okafor  first visit              /demo|first-visit
│  ├─ Mon 09 Mar 14:00:00–14:08:30 EDT    8:30  dr-okafor  timer, with the patient  /demo|call-9
│  ├─ Mon 16 Mar 09:00–09:10 EDT         10:00  dr-okafor  timer                    /demo|review-16
│  ├─ Mon 16 Mar 09:10–09:12 EDT          2:00  dr-okafor  by hand                  /demo|letter-16
│  └─ Tue 31 Mar 23:52–01 Apr 00:00 EDT   8:00  dr-okafor  timer                    /demo|late-call-31
└─ Not counted: 26:00
   ├─ 12:00 performer_role: by a person whose role (or employment, or supervision) may not do this work [docs/contract.md §3.4]
   │  └─ Thu 12 Mar 11:00–11:12 EDT  12:00  rn-lund  timer  /demo|nurse-12
   ├─ 10:00 before_consent: before the patient's consent to CPM with dr-okafor, or without one [{consent}]
   │  └─ Mon 02 Mar 15:00–15:10 EST  10:00  dr-okafor  timer, with the patient  /demo|call-2
   └─ 4:00 overlap: these seconds of the patient already count for an entry that started earlier [docs/contract.md §3.5]
      └─ Mon 16 Mar 09:06–09:10 EDT  4:00  dr-okafor  by hand  /demo|letter-16"""


def test_a_whole_month_is_explained(ledger: Ledger, rulebook: Rulebook) -> None:
    rules = {code: f"{rulebook.texts[code].rule} [{rulebook.texts[code].citation}]" for code in ("G3002", "G3003")}
    consent = rulebook.at(739_676).programs["CPM"].consent_citation or "docs/contract.md §3.7"
    assert text_of(explained(ledger, TENANT, story.PATIENT, "2026-03")) == STORY.format(**rules, consent=consent)


def test_seconds_after_midnight_are_the_next_months(ledger: Ledger) -> None:
    text = text_of(explained(ledger, TENANT, story.PATIENT, "2026-04"))
    assert "No line: no code is earned yet" in text
    assert "Wed 01 Apr 00:00–00:06 EDT  6:00" in text


def test_a_month_of_which_nothing_is_known_says_so(ledger: Ledger) -> None:
    assert "nothing may be billed" in text_of(explained(ledger, TENANT, story.PATIENT, "2025-01"))


def test_a_month_after_the_last_verified_year_warns(ledger: Ledger) -> None:
    assert "Note: 2030-01 is later than" in text_of(explained(ledger, TENANT, story.PATIENT, "2030-01"))


def test_every_explanation_of_the_sample_can_be_drawn(ledger: Ledger) -> None:
    for number in range(1, 16):
        branches = explained(ledger, TENANT, f"P-{number:06}", "2026-03")
        assert all(len(text) <= 90 for branch in branches for text, _ in tree_lines(branch, 90))


def test_an_unknown_patient_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="nothing is known"):
        explained(ledger, TENANT, "P-unheard-of", "2026-03")


def test_a_held_line_says_what_is_missing_and_where_it_stands(rulebook: Rulebook) -> None:
    missing = {"requirement": "interactive_contact", "text": "at least one interactive contact", "citation": "ZLOADR"}
    text = told(rulebook, tree(line("99457", status="held", unmet=["interactive_contact"]), unmet=[missing]))
    assert "99457 × 1  $10.00  2026-03-09  held" in text
    assert "Missing (interactive_contact): at least one interactive contact [ZLOADR]" in text


def test_an_excluded_line_names_the_line_that_wins(rulebook: Rulebook) -> None:
    winner = tree(line("98980", program="RTM", practitioner_id="pt-ray"))["programs"]
    both = tree(line("99457", status="excluded", excluded_by="id-98980"))
    both["programs"] += [{**winner[0], "program": "RTM", "practitioner_id": "pt-ray"}]
    assert "not payable beside 98980 (RTM, pt-ray)" in told(rulebook, both)


def test_a_device_line_tells_its_days_and_a_capped_one_its_excess(rulebook: Rulebook) -> None:
    device = line("99454", status="awaiting_close", days=17, window_start="2026-02-08", window_end="2026-03-09", seconds=None, amount=None)
    text = told(rulebook, tree(device, line("99458", excess_units=2)))
    assert "99454 × 1  no price known  2026-03-09  payable when the month is closed" in text
    assert "17 days with a reading from 2026-02-08 to 2026-03-09" in text
    assert "2 more earned, over the limit" in text


def test_reasons_stand_in_the_order_in_which_they_are_asked() -> None:
    assert sorted(REASONS, key=rank) == list(REASONS)
    assert rank("a reason of tomorrow") > rank(REASONS[-1])


def test_a_span_is_told_in_local_time() -> None:
    assert when(SUMMER, SUMMER + 600, "America/Phoenix") == "Wed 01 Jul 07:00–07:10 MST"
    assert when(SUMMER, SUMMER + 61, "UTC") == "Wed 01 Jul 14:00:00–14:01:01 UTC"
