"""The guide to replay does what it says: its commands are run in order, and print what the page shows."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from pathlib import Path

import pytest

from caremonth.__main__ import main
from ledger import open_ledger
from ledger.rule_files import PACKAGED
from tools.tree import ROOT

PAGE = ROOT / "docs" / "replay.md"
BLOCK = re.compile(r"^```(sh|diff|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody who follows the page: types its commands, edits the file it shows, compares what is printed."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture
        self.printed = ""

    def sh(self, block: str) -> None:
        self.printed = "".join(self._command(line) for line in block.splitlines())

    def _command(self, line: str) -> str:
        program, *words = shlex.split(line)
        if program == "cp":
            assert words == ["-r", "domain/rules", "rules-fixed"]
            (self.folder / words[2]).mkdir()
            for path in (self.folder / words[1]).rglob("*"):
                target = self.folder / words[2] / path.relative_to(self.folder / words[1])
                target.mkdir() if path.is_dir() else target.write_bytes(path.read_bytes())
            return ""
        assert program == "caremonth"
        out = words[words.index(">") + 1] if ">" in words else None
        self.capture.readouterr()
        assert main(words[: words.index(">")] if out else words) == 0, line
        printed = self.capture.readouterr().out
        if out:
            (self.folder / out).write_text(printed, encoding="utf-8")
        return printed

    def diff(self, block: str) -> None:
        """Put the lines with a plus behind the line before them."""
        name, before, *added = block.splitlines()
        path = self.folder / name.removeprefix("--- ")
        text = path.read_text(encoding="utf-8")
        assert text.count(f"{before[1:]}\n") == 1
        new = "".join(f"{line[1:]}\n" for line in added)
        path.write_text(text.replace(f"{before[1:]}\n", f"{before[1:]}\n{new}"), encoding="utf-8")

    def text(self, block: str) -> None:
        """Each line is in what was printed, in this order; … stands for anything."""
        rest = self.printed
        for line in block.splitlines():
            found = re.search(".*?".join(map(re.escape, line.split("…"))), rest)
            assert found, f"the page shows `{line}`, and it is not printed"
            rest = rest[found.end() :]


@pytest.fixture
def reader(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.chdir(tmp_path)
    for name in ("CAREMONTH_DATABASE_URL", "CAREMONTH_RULES"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "rules").symlink_to(PACKAGED, target_is_directory=True)
    return Reader(tmp_path, capsys)


def test_who_follows_the_guide_sees_what_it_shows_and_ends_with_the_original_sums(reader: Reader) -> None:
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks].count("text") == 6
    for kind, block in blocks:
        getattr(reader, kind)(block)
    with open_ledger("sqlite:///caremonth.db") as ledger:
        proposed = ledger.adjustments()
    assert len(proposed) == 16
    assert sum(Decimal(one["amount_delta"]) for one in proposed) == 0
    assert sum(one["units_delta"] for one in proposed) == 0
    assert "<svg" in (reader.folder / "plan.html").read_text(encoding="utf-8")
