"""Words of one machine are found, words of the product are not."""

from pathlib import Path

import pytest

from tools.words import INDEX_HOSTS, MACHINE_ROOTS, OUTSIDE_PAGES, found, main, problems


@pytest.mark.parametrize("root", MACHINE_ROOTS)
def test_a_path_of_one_machine_is_found(root: str) -> None:
    assert found(f"open('/{root}/x')") == ["a path of one machine"]
    assert found(f"cd /{root}") == ["a path of one machine"]


def test_a_machine_path_is_found_inside_a_longer_one() -> None:
    assert found(f"file:///mnt/{MACHINE_ROOTS[0]}/x") == ["a path of one machine"]


@pytest.mark.parametrize("page", OUTSIDE_PAGES)
def test_a_page_outside_the_repository_is_found(page: str) -> None:
    assert found(f"see {page}." + "md §3") == ["a page that is not in the repository"]


@pytest.mark.parametrize("host", INDEX_HOSTS)
def test_a_package_index_is_found(host: str) -> None:
    assert found(f"--index-url https://{host}/simple") == ["a package index"]


def test_a_folder_beside_and_credentials_are_found() -> None:
    assert found(".." + "/shared/examples") == ["a folder beside the repository"]
    assert found("postgresql+psycopg://biller:" + "secret@db/caremonth") == ["a URL with credentials"]


@pytest.mark.parametrize(
    "line",
    [
        "docs/contract.md §3.9",
        "CHANGELOG.md and README.md",
        "/ehr/north|e-1001",
        "sqlite:///caremonth.db",
        "postgresql+psycopg://db.example/caremonth",
        "src/tmp/",
        "a framework/home-grown",
        "https://www.example.org/home/page",
    ],
)
def test_words_of_the_product_are_left_alone(line: str) -> None:
    assert found(line) == []


def test_a_problem_names_file_and_line_even_in_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.bin"
    path.write_bytes(b"\xff\xfe\nsee /" + MACHINE_ROOTS[0].encode() + b"/x\n")
    assert list(problems([path], tmp_path)) == ["notes.bin:2 names a path of one machine: leave it out"]


def test_the_repository_names_no_machine() -> None:
    assert main() == 0
