"""The examples of docs/http.md, run in order against one server."""

import json
import re
import shlex
from pathlib import Path

from tests.http.care import Web, web
from tools.tree import ROOT

PAGE = ROOT / "docs" / "http.md"
EXAMPLE = re.compile(r"^```sh\n(curl .*?)```\n\n```json\n(.*?)```", re.MULTILINE | re.DOTALL)


async def curl(server: Web, command: str) -> object:
    """What `curl` would print; only the options that the page uses."""
    _, url, *words = shlex.split(command.replace("\\\n", " "))
    pairs = list(zip(words[::2], words[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in pairs if option == "-H")
    bodies = [value for option, value in pairs if option == "-d"]
    assert {option for option, _ in pairs} <= {"-H", "-d"}
    return (await server.client.request("POST" if bodies else "GET", url, headers=headers, content="".join(bodies) or None)).json()


async def test_each_example_prints_what_the_page_says(tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) == PAGE.read_text(encoding="utf-8").count("```sh")
    async with web(tmp_path) as server:
        for command, printed in examples:
            answer = await curl(server, command)
            for result in answer["results"] if isinstance(answer, dict) else ():
                result.pop("dead_letter", None)
            assert answer == json.loads(printed)
