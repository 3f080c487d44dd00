"""What in a schema of events would break those who keep to an older one.

Who writes events is broken by a field that is gone, newly required, or takes less than it did; who reads decisions by a field that is
gone, no longer always there, or may hold more than it did. New fields and new variants of what is sent break nobody
(docs/contract.md: it may only grow).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

Schema = Mapping[str, Any]

_LIMITS: Final = (
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)


class Field(NamedTuple):
    """One place in an event: the types of JSON it may have, the words it is limited to (None: any), its other limits."""

    required: bool
    types: frozenset[str]
    words: frozenset[str] | None
    limits: frozenset[tuple[str, str]]


def breaks(old: Schema, new: Schema, *, sent: bool = False) -> Iterator[str]:
    """Each breaking change from one schema to another, in words that name the field; `sent` for a decision, else an event taken in."""
    before, after = fields(old), fields(new)
    for path, was in before.items():
        now = after.get(path)
        if now is None:
            if _parent(path) in after:
                yield f"{path} was removed"
        else:
            yield from _narrowed(path, now, was, "may now be") if sent else _narrowed(path, was, now, "can no longer be")
            if sent and was.required and not now.required:
                yield f"{path} is no longer always there"
            if not sent and now.required and not was.required:
                yield f"{path} has become required"
    if not sent:
        yield from (
            f"{path} is new and required" for path, now in after.items() if path not in before and now.required and _parent(path) in before
        )


def _narrowed(path: str, wide: Field, narrow: Field, how: str) -> Iterator[str]:
    """What the wide one takes and the narrow one does not."""
    types = wide.types - narrow.types - ({"integer"} if "number" in narrow.types else set())
    if types:
        yield f"{path} {how} {' or '.join(sorted(types))}"
    elif narrow.words is not None and (wide.words is None or wide.words - narrow.words):
        words = "any other word" if wide.words is None else " or ".join(sorted(wide.words - narrow.words))
        yield f"{path} {how} {words}"
    for name, limit in sorted(narrow.limits - wide.limits):
        yield f"{path} {how} what {name} {limit} excludes"


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def fields(schema: Schema) -> dict[str, Field]:
    """Every place of a schema by its path, such as `data.lines[].code`; of several forms each has its name in brackets."""
    found: dict[str, Field] = {"": Field(True, frozenset({"object"}), None, frozenset())}
    _walk(schema, schema.get("$defs", {}), "", True, found)
    return found


def _walk(schema: Schema, definitions: Schema, path: str, required: bool, found: dict[str, Field]) -> None:
    variants = [_resolved(one, definitions) for one in _variants(_resolved(schema, definitions))]
    found[path] = _field(variants, required)
    objects = [one for one in variants if "properties" in one]
    for one in objects:
        prefix = path if len(objects) == 1 else f"{path}[{_name(one)}]"
        if len(objects) > 1:
            found[prefix] = Field(False, frozenset({"object"}), None, frozenset())
        for name, inner in one["properties"].items():
            _walk(inner, definitions, f"{prefix}.{name}".lstrip("."), name in one.get("required", ()), found)
    for one in variants:
        if isinstance(one.get("items"), Mapping):
            _walk(one["items"], definitions, f"{path}[]", False, found)
        if isinstance(one.get("additionalProperties"), Mapping):
            _walk(one["additionalProperties"], definitions, f"{path}.*", False, found)


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _variants(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _name(schema: Schema) -> str:
    """What tells a form from the others: its kind, else its fields."""
    kind = schema["properties"].get("kind", {}).get("const")
    return str(kind) if kind is not None else ",".join(sorted(schema["properties"]))


def _field(variants: list[Schema], required: bool) -> Field:
    types, words, limits = set[str](), set[str](), set[tuple[str, str]]()
    free = False
    for one in variants:
        given = one.get("enum", [one["const"]] if "const" in one else None)
        types |= {_type_of(value) for value in given} if given is not None else _types(one)
        free = free or (given is None and one.get("type") != "null")
        words |= set(map(str, given or ()))
        limits |= {(name, str(one[name])) for name in _LIMITS if name in one}
    return Field(required, frozenset(types), None if free else frozenset(words), frozenset(limits))


def _types(schema: Schema) -> set[str]:
    named = schema.get("type", ["array", "boolean", "integer", "null", "number", "object", "string"])
    return {named} if isinstance(named, str) else set(named)


def _type_of(value: object) -> str:
    return {bool: "boolean", int: "integer", float: "number", type(None): "null"}.get(type(value), "string")
