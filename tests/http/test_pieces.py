"""An array's elements are slices of the bytes that came, whatever stands in them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.http.pieces import TooManyError, elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(['"', "\\", '\\"', "[", "]}", ",", "{"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.just('a"]'), inner, max_size=4),
    max_leaves=20,
)
SPACES = st.text(" \t\r\n", max_size=3)


@given(st.lists(st.tuples(VALUES, SPACES, SPACES, st.booleans()), max_size=6), SPACES, SPACES)
def test_each_element_comes_back_byte_for_byte(parts: list[tuple[Any, str, str, bool]], before: str, after: str) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only, indent=None if ascii_only else 1) for value, _, _, ascii_only in parts]
    spaced = [f"{low}{text}{high}" for text, (_, low, high, _) in zip(texts, parts, strict=True)]
    body = f"{before}[{','.join(spaced)}]{after}".encode("utf-8", "surrogatepass")
    assert elements(body, 10) == [text.encode("utf-8", "surrogatepass") for text in texts]


@given(st.text('[]{},:"\\1 a', max_size=30))
def test_what_json_takes_for_an_array_is_cut_as_json_would(inside: str) -> None:
    body = f"[{inside}]"
    found = elements(body.encode(), 100)
    try:
        value = json.loads(body)
    except ValueError:
        return
    assert found is not None
    assert [json.loads(one) for one in found] == value


@pytest.mark.parametrize("element", [b'{"a":1,"a":2}', b"NaN", b"tru", b'"\\ud800"', b"\xff\xfe", b'{"a" 1}', b"-", b"1 2", b'{"a":"\n"}'])
def test_a_broken_element_leaves_its_neighbours_alone(element: bytes) -> None:
    assert elements(b'[{"x":1}, ' + element + b' ,{"y":[2]}]', 3) == [b'{"x":1}', element, b'{"y":[2]}']


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"1",
        b"[",
        b"[1",
        b'["a]',
        b"[1,]",
        b"[,1]",
        b"[1,,2]",
        b"[1]]",
        b"[1] 2",
        b"[}",
        b'[{"a":[}]',
        b'[{"a":1]',
        b'["\\"]',
        b'["a\\',
    ],
)
def test_what_its_brackets_do_not_make_an_array_is_none(body: bytes) -> None:
    assert elements(body, 10) is None


def test_an_empty_array_has_no_elements() -> None:
    assert elements(b" [ \n] ", 0) == []


def test_more_elements_than_there_may_be_are_not_counted_to_the_end() -> None:
    assert elements(b"[1,2,3]", 3) == [b"1", b"2", b"3"]
    with pytest.raises(TooManyError):
        elements(b"[1,2,3,4", 3)


def test_deep_nesting_is_cut_without_recursion() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert elements(b"[" + deep + b",1]", 2) == [deep, b"1"]
