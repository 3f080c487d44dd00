"""What people see of a replay plan: its figures, its page, and the two explanations of a patient-month."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest

from caremonth.__main__ import main
from caremonth.plan_figures import figures
from caremonth.plan_page import page
from caremonth.plan_text import GROUPS, LARGEST_COLUMNS, summary
from caremonth.replay_why import beside
from domain.changes import ADJUSTMENT, LINE, Change
from domain.settlement import PatientMonth
from ledger import plans
from ledger.plans import Plan
from ledger.rule_files import PACKAGED

Row = dict[str, Any]

DAY: Final = date(2026, 11, 2)
CLOSED, OPEN = "2026-06", "2026-07"


def change(code: str, effect: str, before: tuple[int, int | None], after: tuple[int, int | None], site: str = "north") -> Change:
    return Change(("CPM", "dr-lee", code, None), effect, (*before, site, None), (*after, site, None))


def plan_of(changes: Sequence[tuple[str, Change]], **more: Any) -> Plan:
    """A plan that was written and read again, of changes by month."""
    header = {
        "format": plans.FORMAT, "rule_set_from": "a", "rule_set_from_digests": [], "rule_set_to": "b", "rule_set_to_digest": "",
        "facts": None, "legal_status": "final", "months": [CLOSED, OPEN], "history": "",
        "scope": dict.fromkeys(("tenant", "from", "to", "site", "family")), "evaluated": 7, "rules": None, "rules_from": {},
        "totals": plans.totals_of(one for _, one in changes).row(),
    }  # fmt: skip
    rows = plans.rows((PatientMonth("acme", f"P-{number:02d}", month), one) for number, (month, one) in enumerate(changes))
    return plans.parse(plans.write(header | more, rows))


MIXED: Final = [
    (CLOSED, change("G3003", ADJUSTMENT, (3, 9519), (2, 6346))),
    (CLOSED, change("G3003", ADJUSTMENT, (1, 3173), (2, 6346), "south")),
    (OPEN, change("G3003", LINE, (1, 3173), (0, 0))),
    (OPEN, change("G3002", LINE, (0, 0), (1, 8617), "south")),
    (OPEN, change("G3002", LINE, (1, None), (2, None))),
    (CLOSED, change("G3002", ADJUSTMENT, (2, 0), (1, 0))),
]


def test_money_owed_back_stands_apart_from_money_to_gain_and_from_open_lines() -> None:
    shown = figures(plan_of(MIXED), DAY)
    assert shown["owed_back"] == {"lines": 2, "amount": "-31.73"}
    assert shown["to_gain"] == {"lines": 1, "amount": "31.73"}
    assert shown["open"] == {"lines": 3, "down": "-31.73", "up": "86.17", "amount": "54.44"}
    assert shown["totals"]["amounts_unknown"] == 1


@pytest.mark.parametrize("group", GROUPS)
def test_each_way_of_grouping_adds_up_to_the_plans_totals(group: str) -> None:
    shown = figures(plan_of(MIXED), DAY)
    assert len(shown[group]) == 2
    assert sum(row["lines"] for row in shown[group]) == len(MIXED)
    for row in shown[group]:
        assert sum(Decimal(row[name]) for name in ("owed_back", "to_gain", "open")) == Decimal(row["amount_delta"])
    assert sum(Decimal(row["amount_delta"]) for row in shown[group]) == Decimal(shown["totals"]["amount_delta"])
    assert sum(row["amounts_unknown"] for row in shown[group]) == shown["totals"]["amounts_unknown"]


def test_what_is_owed_back_is_due_sixty_days_after_its_identification() -> None:
    shown = figures(plan_of(MIXED), DAY)
    assert (shown["as_of"], shown["return_by"], shown["return_rule"]) == ("2026-11-02", "2027-01-01", "42 CFR 401.305")
    assert any("by 2027-01-01" in line for line in summary(shown))


def test_where_nothing_is_owed_back_no_date_is_told() -> None:
    assert not any("Report" in line for line in summary(figures(plan_of(MIXED[1:3]), DAY)))


def test_the_ten_largest_changes_come_largest_first() -> None:
    changes = [(CLOSED, change("G3003", LINE, (1, 3173), (n, 3173 * n))) for n in range(2, 14)]
    shown = figures(plan_of(changes), DAY)
    assert [row["units_to"] for row in shown["largest"]] == list(range(13, 3, -1))
    assert shown["largest"][0]["amount_delta"] == "380.76"


def test_a_plan_that_changes_nothing_says_so() -> None:
    assert list(summary(figures(plan_of([]), DAY))) == ["Nothing: each line is the same under both."]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"legal_status": "proposed"}, "only proposed"),
        ({"scope": {"tenant": None, "from": None, "to": None, "site": "north", "family": None}}, "Only site north is shown"),
        ({"facts": {"without": ["/app"], "as_of": None}}, "without all events of /app"),
        ({"facts": {"without": [], "as_of": "2026-07-01T00:00:00Z"}}, "recorded after 2026-07-01T00:00:00Z"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_shown_with_the_reason(more: Row, told: str) -> None:
    shown = figures(plan_of(MIXED, **more), DAY)
    [warning] = shown["warnings"]
    assert told in warning
    assert warning in page(shown).replace("&#x27;", "'")


class Page(HTMLParser):
    """The texts of a page, what its attributes say, and which elements are open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "line", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_has_every_figure_in_text() -> None:
    shown = figures(plan_of(MIXED), DAY)
    found = Page(page(shown))
    assert found.open == []
    assert found.tags.count("svg") == 3
    for name, (_, columns) in GROUPS.items():
        wanted = [str(cell(row)) for row in shown[name] for cell in columns.values() if cell(row) not in (None, "")]
        assert set(wanted) <= set(found.texts)
    assert {str(cell(row)) for row in shown["largest"] for cell in LARGEST_COLUMNS.values()} <= set(found.texts)
    assert {line.strip() for line in summary(shown)} <= set(found.texts)


def test_each_bar_says_what_it_shows() -> None:
    found = Page(page(figures(plan_of(MIXED), DAY)))
    assert found.tags.count("rect") == len(
        [text for text in found.texts if re.fullmatch(r"\S+.*: (owed back|to gain|open) -?\$[\d.]+", text)]
    )
    assert {"G3003: owed back -$31.73", "south: to gain $31.73", "2026-07: open $54.44"} <= set(found.texts)


def test_the_page_asks_for_nothing_from_outside_and_runs_nothing() -> None:
    text = page(figures(plan_of(MIXED), DAY))
    found = Page(text)
    assert not {"script", "link", "img", "iframe", "image", "use"} & set(found.tags)
    assert not {name for name, _ in found.attributes if name in ("src", "href", "xlink:href", "action") or name.startswith("on")}
    assert not re.search(r"https?:|url\(|@import|//", text.replace("<!DOCTYPE html>", ""))


def test_what_comes_from_outside_is_text_on_the_page() -> None:
    bad = '"><script>alert(1)</script>\u202e'
    shown = figures(plan_of([(CLOSED, change(bad, ADJUSTMENT, (3, 9519), (2, 6346), bad))], rule_set_to=bad), DAY)
    found = Page(page(shown))
    assert "script" not in found.tags
    assert any("<script>" in text for text in found.texts)
    assert "\u202e" not in "".join(found.texts)


def test_no_chart_draws_more_than_can_be_seen() -> None:
    shown = figures(plan_of([(CLOSED, change(f"C{n:04d}", ADJUSTMENT, (1, n + 1), (0, 0))) for n in range(100)]), DAY)
    text = page(shown)
    assert "The first 40 of 100 are drawn, the table has all." in text
    assert all(f"<td>C{n:04d}</td>" in text for n in range(100))


def test_in_two_columns_what_is_the_same_stands_beside_each_other_and_what_differs_is_marked() -> None:
    left, right = [("a", "bold"), ("b", ""), ("c", "")], [("a", "bold"), ("x", ""), ("y", ""), ("c", "")]
    told = list(beside(left, right, 3))
    assert told == [("a   │ a", "bold"), ("b   ┃ x", "yellow"), ("    ┃ y", "yellow"), ("c   │ c", "")]


class Desk:
    """A folder with a ledger of which one month is closed, and a plan of other rules for it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        code = main(["--db", f"sqlite:///{self.folder / 'a.db'}", *words])
        return code, *self.capture.readouterr()

    def show(self, *words: str) -> tuple[int, str, str]:
        return self("replay", "show", str(self.folder / "plan.json"), *words)

    def why(self, *words: str) -> Row:
        code, out, err = self.show("--json", "--why", *words)
        assert code == 0, err
        return dict(json.loads(out))

    def explained(self, *words: str) -> Row:
        return dict(json.loads(self("explain", "--json", *words)[1]))

    @property
    def plan(self) -> Row:
        return dict(json.loads((self.folder / "plan.json").read_bytes()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger and the plan, made once."""
    folder = tmp_path_factory.mktemp("desk")
    db = ["--db", f"sqlite:///{folder / 'a.db'}"]
    from caremonth.sample import sample

    (folder / "events.jsonl").write_text("\n".join(sample(30, 2, 3, 1, first_month=CLOSED)) + "\n", encoding="utf-8")
    rules = folder / "rules"
    shutil.copytree(PACKAGED, rules)
    cpm = (rules / "cpm.yaml").read_text(encoding="utf-8")
    assert cpm.count("value: 15") == 1
    (rules / "cpm.yaml").write_text(cpm.replace("value: 15", "value: 20"), encoding="utf-8")
    assert main([*db, "ingest", str(folder / "events.jsonl")]) == 0
    assert main([*db, "close", "riverbend", CLOSED, "--at", "2026-07-06"]) == 0
    assert main([*db, "replay", "plan", "--rules", str(rules), "--out", str(folder / "plan.json")]) == 0
    return folder


@pytest.fixture
def desk(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("CAREMONTH_RULES", raising=False)
    shutil.copytree(made, tmp_path / "desk")
    return Desk(tmp_path / "desk", capsys)


def test_a_plan_is_shown_without_its_ledger(desk: Desk) -> None:
    (desk.folder / "a.db").unlink()
    code, out, err = desk.show("--as-of", "2026-11-02")
    assert (code, err) == (0, "")
    assert re.search(r"CPM +G3003 +minutes +2023-01-01 +15 +20 ", out)
    assert "Report and return by 2027-01-01" in out
    assert {"owed back", "to gain", "open"} <= set(re.split(r" {2,}|\n", out))


def test_programs_read_the_figures_that_people_see(desk: Desk) -> None:
    shown = json.loads(desk.show("--json", "--as-of", "2026-11-02")[1])
    assert shown["totals"] == desk.plan["totals"]
    assert shown["owed_back"]["lines"]
    assert shown["open"]["lines"]
    assert [(row["code"], row["value_from"], row["value_to"]) for row in shown["rule_changes"]] == [("G3003", 15, 20)]
    assert {row["month"] for row in shown["by_month"]} == {CLOSED, OPEN}


def test_the_page_is_written_to_a_file_and_is_the_same_each_time(desk: Desk) -> None:
    first, second = desk.folder / "1.html", desk.folder / "2.html"
    for path in (first, second):
        code, out, err = desk.show("--as-of", "2026-11-02", "--html", str(path))
        assert (code, out) == (0, "")
        assert str(path) in err
    assert first.read_bytes() == second.read_bytes()


def test_a_page_that_cannot_be_written_is_refused(desk: Desk) -> None:
    code, _, err = desk.show("--html", str(desk.folder / "absent" / "plan.html"))
    assert code == 1
    assert "cannot be written" in err


def test_an_edited_plan_is_not_shown(desk: Desk) -> None:
    path = desk.folder / "plan.json"
    path.write_bytes(re.sub(rb'"units_to":\d', b'"units_to":9', path.read_bytes(), count=1))
    for words in ((), ("--why", "riverbend", "P-000001", CLOSED)):
        code, out, err = desk.show(*words)
        assert (code, out) == (1, "")
        assert "edited" in err


def lines_of(tree: Row) -> list[tuple[Any, ...]]:
    return [(row["code"], row["units"], row["status"], row["date_of_service"]) for one in tree["programs"] for row in one["lines"]]


def patients_of(plan: Row) -> Iterator[tuple[str, str, str]]:
    """One closed and one open patient-month that the plan changes."""
    for effect in (ADJUSTMENT, LINE):
        yield next((row["tenant"], row["patient_id"], row["month"]) for row in plan["changes"] if row["effect"] == effect)


def test_why_is_the_explanation_as_it_is_beside_what_it_will_be(desk: Desk) -> None:
    """Given a plan, when it is applied, then `explain` says what --why had said; and --why says the same as before."""
    asked = list(patients_of(desk.plan))
    before = [desk.why(*words) for words in asked]
    assert [desk.explained(*words) for words in asked] == [one["from"] for one in before]
    for words, one in zip(asked, before, strict=True):
        assert one["changes"] == [row for row in desk.plan["changes"] if (row["tenant"], row["patient_id"], row["month"]) == words]
    code, _, err = desk("replay", "apply", str(desk.folder / "plan.json"), "--by", "R", "--reason", "test")
    assert code == 0, err
    assert [desk.explained(*words) for words in asked] == [one["to"] for one in before]
    for words, one in zip(asked, before, strict=True):
        after = desk.why(*words)
        assert after["to"] == one["to"]
        assert after["from"]["rule_set"] == one["from"]["rule_set"]
        assert lines_of(after["from"]) == lines_of(one["from"])


def test_in_a_pipe_one_explanation_follows_the_other(desk: Desk) -> None:
    closed, _ = patients_of(desk.plan)
    _, out, err = desk.show("--why", *closed)
    assert err == ""
    [without, with_it] = [out.index(f"{part} the plan: rule set") for part in ("without", "with")]
    assert without < with_it
    assert "Adjusted since the close: G3003 -1 units" in out[with_it:]
    assert "Adjusted since" not in out[:with_it]


def test_a_patient_month_that_the_plan_leaves_alone_is_explained_all_the_same(desk: Desk) -> None:
    changed = {(row["patient_id"], row["month"]) for row in desk.plan["changes"]}
    rows = map(json.loads, desk("lines", "--json", "--month", OPEN)[1].splitlines())
    other = next(row["patient_id"] for row in rows if (row["patient_id"], OPEN) not in changed)
    told = desk.why("riverbend", other, OPEN)
    assert told["changes"] == []
    assert lines_of(told["from"]) == lines_of(told["to"])
    assert "changes no line" in desk.show("--why", "riverbend", other, OPEN)[1]


def test_events_that_came_since_are_told(desk: Desk) -> None:
    event = {
        "specversion": "1.0", "id": "new", "source": "/t", "type": "care.site.registered.v1", "tenant": "riverbend", "subject": "site-99",
        "time": "2026-08-01T00:00:00Z", "data": {"name": "n", "zone": "America/Chicago", "pos": "11"},
    }  # fmt: skip
    (desk.folder / "more.jsonl").write_text(json.dumps(event), encoding="utf-8")
    assert desk("ingest", str(desk.folder / "more.jsonl"))[0] == 0
    assert "events came in since" in desk.show("--why", "riverbend", "P-000001", CLOSED)[2]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("riverbend", "P-nobody", CLOSED), 1, "nothing is known of this patient"),
        (("elsewhere", "P-000001", CLOSED), 1, "nothing is known of this patient"),
        (("riverbend", "P-000001", "June"), 2, "write a month such as 2026-03"),
        (("riverbend", "P-000001", CLOSED, "--html", "x.html"), 2, "leave --html and --as-of out"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(desk: Desk, words: tuple[str, ...], code: int, told: str) -> None:
    found, out, err = desk.show("--why", *words)
    assert (found, out) == (code, "")
    assert told in " ".join(err.split())


def test_a_month_that_the_plan_is_not_about_is_refused(desk: Desk) -> None:
    out = desk.folder / "july.json"
    assert desk("replay", "plan", "--rules", str(desk.folder / "rules"), "--from", OPEN, "--out", str(out))[0] == 0
    code, _, err = desk("replay", "show", str(out), "--why", "riverbend", "P-000001", CLOSED)
    assert code == 1
    assert "not about this tenant and month" in err
