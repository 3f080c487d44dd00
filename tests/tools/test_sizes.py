"""Sizes are measured from `def` to the last line, and offenders are named."""

from pathlib import Path

from tools.sizes import Function, function_problems, functions, is_test, main, module_problems


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_functions_count_methods_and_nested_ones_with_their_docstrings(tmp_path: Path) -> None:
    text = 'def a():\n    """One."""\n    def b():\n        return 1\n    return b\n\nclass C:\n    async def d(self): ...\n'
    module = write(tmp_path, "m.py", text)
    assert sorted(functions(module, tmp_path)) == [Function(1, "m.py:8 d"), Function(2, "m.py:3 b"), Function(5, "m.py:1 a")]


def test_small_functions_are_good() -> None:
    assert list(function_problems([Function(8, "a")] * 10)) == []
    assert list(function_problems([])) == []


def test_too_many_middling_functions_are_named() -> None:
    measured = [*[Function(3, "small")] * 8, Function(31, "m.py:1 a"), Function(60, "m.py:9 b")]
    assert list(function_problems(measured)) == ["ninth decile function has 60 lines, at most 30; longest: m.py:9 b (60); m.py:1 a (31)"]


def test_the_longest_function_is_named() -> None:
    measured = [*[Function(2, "small")] * 98, Function(31, "m.py:4 middling"), Function(61, "m.py:50 long")]
    assert list(function_problems(measured)) == ["longest function has 61 lines, at most 60; longest: m.py:50 long (61)"]


def test_a_median_over_the_limit_names_the_largest_first() -> None:
    (problem,) = function_problems(sorted([Function(9, "a"), Function(10, "b"), Function(11, "c")]))
    assert problem == "median function has 10 lines, at most 8; longest: c (11); b (10); a (9)"


def test_a_module_may_have_400_lines_and_no_more(tmp_path: Path) -> None:
    good, long = write(tmp_path, "good.py", "x = 1\n" * 400), write(tmp_path, "long.py", "x = 1\n" * 401)
    assert list(module_problems([good, long], tmp_path)) == ["long.py has 401 lines, at most 400: divide it by noun"]


def test_functions_of_tests_are_not_measured() -> None:
    assert is_test(Path("tests/domain/test_spans.py"))
    assert not is_test(Path("domain/spans.py"))


def test_the_repository_keeps_its_sizes() -> None:
    assert main() == 0
