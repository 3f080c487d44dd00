"""Tokens: what a file may say, who is let in, and how one is made."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from caremonth.__main__ import main
from streams.http.problems import Problem
from streams.http.tokens import Tokens, TokensError, load
from tests.http.care import tokens_of

DIGEST = sha256(b"a token").hexdigest()
ENTRY = {"name": "feed", "sha256": DIGEST, "tenants": ["acme"], "rights": ["write"]}


def file(folder: Path, text: str) -> Path:
    path = folder / "tokens.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text", [json.dumps({"tokens": [ENTRY]}), f"tokens:\n  - {{name: feed, sha256: {DIGEST}, tenants: [acme], rights: [write]}}\n"]
)
def test_a_file_is_json_or_yaml(tmp_path: Path, text: str) -> None:
    access = Tokens(load(file(tmp_path, text)).tokens).access("bearer  a token ")
    assert (access.name, access.covers("acme"), access.covers("beta")) == ("feed", True, False)
    with pytest.raises(Problem, match="no right to read"):
        access.require("read")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "neither JSON nor YAML"), ("", "wrong at its top"), ("tokens: 1", "wrong at tokens"),
        (json.dumps({"tokens": [ENTRY], "more": 1}), "wrong at more"), (json.dumps({"tokens": [ENTRY, ENTRY]}), "the name feed twice"),
        (json.dumps({"tokens": [{**ENTRY, "tenants": ["Acme"]}]}), "wrong at tokens.0.tenants.0"),
        (json.dumps({"tokens": [{**ENTRY, "sha256": "a token"}]}), "wrong at tokens.0.sha256"),
        (json.dumps({"tokens": [{**ENTRY, "rights": []}]}), "wrong at tokens.0.rights"),
        (json.dumps({"tokens": [{**ENTRY, "rights": ["admin"]}]}), "wrong at tokens.0.rights.0"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TokensError, match=said):
        load(file(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="cannot be read"):
        load(tmp_path / "none")


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "Basic a token", DIGEST, f"Bearer {DIGEST}", "Bearer \udcff"])
def test_who_shows_no_known_token_is_not_let_in(shown: str | None) -> None:
    tokens, _ = tokens_of(acme="acme")
    with pytest.raises(Problem) as refused:
        tokens.access(shown)
    assert (refused.value.status, refused.value.headers["WWW-Authenticate"][:6]) == (401, "Bearer")


def run(*words: str) -> int:
    return main(["tokens", "new", *words])


def test_a_token_is_made_shown_once_and_kept_as_a_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.json"
    assert run("--tokens", str(path), "acme") == 0
    token = capsys.readouterr().out.strip()
    assert token not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0
    assert run("--tokens", str(path), "acme", "beta", "--only", "read", "--name", "Board", "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert run("--tokens", str(path), "*") == 0
    assert run("--tokens", str(path), "acme") == 0
    tokens = Tokens(load(path).tokens)
    assert tokens.access(f"Bearer {token}").tenants == frozenset({"acme"})
    board = tokens.access(f"Bearer {second['token']}")
    assert (board.name, board.tenants, board.rights) == ("Board", frozenset({"acme", "beta"}), frozenset({"read"}))
    assert [entry.name for entry in load(path).tokens] == ["acme", "Board", "all", "acme-2"]


@pytest.mark.parametrize(
    ("words", "said"), [(["Acme"], "tenant's id"), (["acme", "--name", "!"], "token's name"), (["acme", "--name", "taken"], "name already")]
)
def test_a_token_that_cannot_be_made_leaves_the_file_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    path = tmp_path / "tokens.json"
    assert run("--tokens", str(path), "acme", "--name", "taken") == 0
    before = path.read_bytes()
    assert run("--tokens", str(path), *words) == 1
    assert said in capsys.readouterr().err
    assert path.read_bytes() == before
