"""The files of the repository are those git has or would take."""

import subprocess
from pathlib import Path

import pytest

from tools.tree import project_files, report, with_suffix


def test_ignored_and_deleted_files_are_none(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for name, text in {".gitignore": "*.db\n", "kept.py": "", "gone.py": "", "ledger.db": ""}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "add", "gone.py"], cwd=tmp_path, check=True)
    (tmp_path / "gone.py").unlink()
    assert [path.name for path in project_files(tmp_path)] == [".gitignore", "kept.py"]


def test_a_folder_that_is_no_repository_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(subprocess.CalledProcessError):
        project_files(tmp_path)


def test_paths_are_chosen_by_suffix() -> None:
    assert list(with_suffix([Path("a.py"), Path("b.md")], ".py")) == [Path("a.py")]


def test_a_report_lists_what_is_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("sizes", []) == 0
    assert report("sizes", ["one", "two"]) == 1
    assert capsys.readouterr().out == "sizes: good\none\ntwo\nsizes: 2 to mend\n"
