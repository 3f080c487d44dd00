"""`docs/schemas` and `docs/asyncapi.yaml`, written from the models and the topics, so that they say what the program does.

    python -m tools.schemas            writes them anew
    python -m tools.schemas check      says what is not as it would be written, and what breaks the last release
    python -m tools.schemas release    makes today's schemas those of the release (its number is in pyproject.toml)

A breaking change is one that an event written for the release, or a program that reads its decisions, does not survive.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from domain.envelope import Envelope
from domain.event_types import EVENT_TYPES
from domain.output_types import OUTPUT_TYPES
from domain.settlement import SOURCE
from domain.upcasting import RELEASED
from tools.asyncapi import document
from tools.schema_changes import breaks
from tools.tree import ROOT, report

Schema = dict[str, Any]

FOLDER: Final = Path("docs/schemas")
ASYNCAPI: Final = Path("docs/asyncapi.yaml")
BASELINE: Final = Path("docs/schemas/released.json")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
WRITE: Final = "run `python -m tools.schemas`"


def main(arguments: list[str]) -> int:
    """Write, check or release; the exit status is 1 when a check finds something, 2 for another word."""
    match arguments:
        case []:
            write(ROOT)
        case ["release"]:
            write(ROOT)
            (ROOT / BASELINE).write_text(baseline(), encoding="utf-8")
        case ["check"]:
            return report("schemas", [*drift(ROOT), *broken(ROOT)])
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def write(root: Path) -> None:
    """Write every file, and remove the schemas of types that are no more."""
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in stale(root):
        path.unlink()
    for name, text in files().items():
        (root / name).write_text(text, encoding="utf-8")


def drift(root: Path) -> Iterator[str]:
    """Files that are not what they would be written as."""
    for name, text in files().items():
        path = root / name
        if not path.is_file():
            yield f"{name} is missing; {WRITE}"
        elif path.read_text(encoding="utf-8") != text:
            yield f"{name} is not what the models and topics say; {WRITE}"
    for path in stale(root):
        yield f"{path.relative_to(root)} is the schema of no type of event; {WRITE}"


def stale(root: Path) -> list[Path]:
    """Schemas of types that are no more."""
    known = {Path(name).name for name in files()} | {BASELINE.name}
    return sorted(path for path in (root / FOLDER).glob("*.json") if path.name not in known)


def broken(root: Path) -> Iterator[str]:
    """What an event or a reader made for the last release does not survive."""
    released: Mapping[str, Any] = json.loads((root / BASELINE).read_text(encoding="utf-8"))
    since = f"since {released['version']}"
    for kind, old in released["in"].items():
        if kind not in RELEASED:
            yield f"{kind} was released and is not in RELEASED of domain/upcasting.py; ledgers hold such events: name it there"
        if kind in EVENT_TYPES:
            yield from (
                f"{kind}: {problem} {since}; add a version beside it, with an upcast" for problem in breaks(old, input_schema(kind))
            )
    for kind, old in released["out"].items():
        if kind not in OUTPUT_TYPES:
            yield f"{kind} is no longer sent {since}; keep it beside what replaces it"
        else:
            found = breaks(old, output_schema(kind), sent=True)
            yield from (f"{kind}: {problem} {since}; add a version beside it, and send both" for problem in found)


def files() -> dict[str, str]:
    """Every file that is written, with its text."""
    schemas = {kind: input_schema(kind) for kind in EVENT_TYPES} | {kind: output_schema(kind) for kind in OUTPUT_TYPES}
    texts = {str(FOLDER / f"{kind}.json"): dumped(schema) for kind, schema in schemas.items()}
    return texts | {str(ASYNCAPI): document(version(), lambda kind: f"./{FOLDER.name}/{kind}.json")}


def baseline() -> str:
    """The schemas of today with the number of the release."""
    taken = {kind: input_schema(kind) for kind in EVENT_TYPES}
    sent = {kind: output_schema(kind) for kind in OUTPUT_TYPES}
    return dumped({"version": version(), "in": taken, "out": sent})


def version() -> str:
    """The project's version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def dumped(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def input_schema(kind: str) -> Schema:
    """The schema of an event that is taken in; extension attributes may be added, fields of `data` not."""
    return _event(kind, _attributes() | {"type": {"const": kind}}, _schema_of(EVENT_TYPES[kind]), ["data"])


def output_schema(kind: str, *, closed: bool = False) -> Schema:
    """The schema of a decision; fields may be added to it, unless it is to be `closed`, for tests."""
    attributes = {name: rule for name, rule in _attributes().items() if name != "replaces"} | {
        "type": {"const": kind},
        "source": {"const": SOURCE},
        "id": {"type": "string", "format": "uuid"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "integer", "minimum": 1},
    }
    schema = _event(kind, attributes, _schema_of(OUTPUT_TYPES[kind]), ["datacontenttype", "data"])
    if closed:
        _close(schema)
    return schema


def _event(kind: str, attributes: Schema, data: Schema, more: list[str]) -> Schema:
    definitions = data.pop("$defs", {})
    required = [name for name in _schema_of(Envelope)["required"] if name in attributes]
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:caremonth:{kind}",
        "title": kind,
        "type": "object",
        "required": [*required, *more],
        "properties": attributes | {"data": data},
    }
    return schema | ({"$defs": definitions} if definitions else {})


def _attributes() -> Schema:
    properties: Schema = _schema_of(Envelope)["properties"]
    return properties


def _schema_of(model: Any) -> Schema:
    """The model's schema without the titles that only repeat names."""
    schema: Schema = TypeAdapter(model).json_schema()
    _untitle(schema)
    return schema


def _untitle(schema: Any) -> None:
    for part in _parts(schema):
        if isinstance(part.get("title"), str):
            del part["title"]


def _close(schema: Schema) -> None:
    for part in _parts(schema):
        if "properties" in part:
            part["additionalProperties"] = False


def _parts(value: Any) -> Iterator[Schema]:
    """Every object of a schema, from the outside in; a map of names to schemas is one too, and has no use for keywords."""
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
