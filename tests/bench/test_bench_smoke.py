"""Each part of the bench runs and prints figures of one form; how fast it was is nobody's matter here."""

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import main
from tests.bench.figures import Figure, at_least, at_most, figure, ratios
from tests.bench.parts import ON_SERVERS, PARTS, figures
from tests.bench.sizes import TINY
from tests.bench.workbench import Workbench

FORM = {"figure", "value", "unit", "target", "met", "runs", "machine"}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[Figure]:
    """Every part that needs no broker once, in an order in which none finds what another made for it."""
    bench = Workbench(tmp_path_factory.mktemp("bench"), TINY)
    alone = [name for name in reversed(PARTS) if name not in ON_SERVERS]
    return [json.loads(json.dumps(one)) for one in figures(bench, alone)]


def test_figures_have_one_form(printed: list[Figure]) -> None:
    assert len({one["figure"] for one in printed}) == len(printed)
    for one in printed:
        assert one.keys() >= FORM
        assert isinstance(one["value"], float)
        assert len(one["runs"]) == 1
        assert (one["target"] is None) == (one["met"] is None)
        assert {"cpu", "cores", "python", "sqlite", "load"} <= one["machine"].keys()


def test_every_asked_figure_is_there(printed: list[Figure]) -> None:
    asked = {one["figure"] for one in printed if one["target"]}
    assert asked >= {"ingest", "ingest_again_to_first", "verify", "decide_ccm", "decide_four_families", "decide_growth", "help", "explain"}
    assert {"calibrator", "ingest_to_calibrator", "ingest_peak_memory", "ours_to_peer"} <= {one["figure"] for one in printed}


def test_a_target_is_met_at_its_bound() -> None:
    assert [figure("f", "s", [value], at_most(2))["met"] for value in (1.9, 2, 2.1)] == [True, True, False]
    assert [figure("f", "s", [value], at_least(2))["met"] for value in (1.9, 2, 2.1)] == [False, True, True]


def test_the_value_is_the_median_and_ratios_pair_runs() -> None:
    assert figure("f", "s", [5, 1, 3])["value"] == 3
    assert ratios([4, 9], [2, 3]) == [2, 3]


def test_an_unknown_part_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ingst"])
    assert "there is no part ingst; the parts are ingest, verify" in capsys.readouterr().err


def test_files_of_a_run_before_do_not_help_the_next(tmp_path: Path) -> None:
    for name in ("a.db", "a.db-wal", "b.db"):
        (tmp_path / name).touch()
    assert Workbench(tmp_path, TINY).database("a") == tmp_path / "a.db"
    assert [path.name for path in tmp_path.iterdir()] == ["b.db"]
