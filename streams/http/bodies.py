"""From the body of a request to the bytes of its events: one object, an array, lines, or an event whose attributes are headers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

import orjson
from jiter import from_json

from streams.http.pieces import SPACE, TooManyError, elements
from streams.http.problems import Problem

JSON: Final = "application/json"
EVENT: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"
_MARK: Final = b"\xef\xbb\xbf"
_PREFIX: Final = "ce-"

Headers = Iterable[tuple[str, str]]


def events_in(body: bytes, headers: Headers, most: int) -> list[bytes]:
    """The events of a request, each as its exact bytes.

    A body that should be an array and is none, by its brackets, is one event, which nobody will accept: where its elements end cannot be
    known, and nothing that was sent is dropped. Raises Problem: 415 for another media type, 400 for an empty body, 413 for too many events.
    """
    named = list(headers)
    kind = _media_type(named)
    if kind == JSON and any(name == "ce-specversion" for name, _ in named):
        return [from_headers(body, named)]
    text = body.removeprefix(_MARK)
    if not text.strip(SPACE):
        raise Problem(400, "The body is empty; send one event as a JSON object, or an array of them.")
    try:
        return _lines(text, most) if kind == LINES else _array(text, most)
    except TooManyError:
        raise Problem(413, f"The request has more than {most} events; send them in several requests. Nothing of it was taken.") from None


def _media_type(headers: Headers) -> str:
    value = next((value for name, value in headers if name == "content-type"), JSON)
    kind, *parameters = (part.strip().lower() for part in value.split(";"))
    charset = next((p.partition("=")[2].strip('"') for p in parameters if p.startswith("charset=")), "utf-8")
    if kind not in (JSON, EVENT, BATCH, LINES) or charset not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, f"The content type must be {EVENT}, {BATCH}, {JSON} or {LINES}, in UTF-8; set the header Content-Type.")
    return kind


def _array(text: bytes, most: int) -> list[bytes]:
    if text.lstrip(SPACE)[:1] != b"[":
        return [text.strip(SPACE)]
    found = elements(text, most)
    return [text.strip(SPACE)] if found is None else found


def _lines(text: bytes, most: int) -> list[bytes]:
    found = [line.removesuffix(b"\r") for line in text.split(b"\n", most + 1)]
    kept = [line for line in found if line.strip(SPACE)]
    if len(kept) > most:
        raise TooManyError
    return kept


def from_headers(body: bytes, headers: Headers) -> bytes:
    """The structured form of an event in binary mode: attributes are `ce-` headers, percent-encoded; the body is its data.

    Data that is not one JSON value goes as base64, lest what follows its end be read as attributes; the event is then refused.
    """
    attributes = [(name.removeprefix(_PREFIX), unquote(value)) for name, value in headers if name.startswith(_PREFIX)]
    members = [orjson.dumps(name) + b":" + orjson.dumps(value) for name, value in [*attributes, ("datacontenttype", JSON)]]
    return b"{" + b",".join([*members, _data(body)]) + b"}"


def _data(body: bytes) -> bytes:
    try:
        from_json(body)
    except ValueError:
        return b'"data_base64":' + orjson.dumps(b64encode(body).decode())
    return b'"data":' + body.strip(SPACE)
